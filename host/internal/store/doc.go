// Package store keeps what the host must remember: runs, slots that did not
// run, status snapshots, overrides, checkpoints, published values, events, and
// the messages and dead letters of queues.
//
// The contract is Store, and the conformance tests in storetest are written
// against it. Two engines pass them: SQLite, whose acknowledged writes survive the
// process and the machine, and Memory, which lasts one life of the host. The
// supervisor writes through
// task.Journal, the runner through task.Values, queues through task.QueueStore, the API reads through
// task.Library. A writer never waits for a reader: every list is read in short
// pieces, every value handed out is immutable.
//
// The store calls no one, except that committed events are handed to
// Options.Publish. It decides nothing about tasks.
package store
