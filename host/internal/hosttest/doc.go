// Package hosttest holds fakes with behaviour for tests of the host: a Launcher whose
// processes run author code in memory (with ladders, commits, crashes and processes that
// are stuck), Values that keep what is committed, a QueueStore that can be slow, refuse
// and be fenced off, and a log that remembers its lines.
// They block on channels only, so they work inside a testing/synctest bubble. The
// product does not use them.
package hosttest
