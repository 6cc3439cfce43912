// Package solo is the host's side of the wire for one task and nothing more: it
// configures an instance over a connection, hands it runs, keeps what it commits
// in memory and remembers what it reports. `PLUGIN run --once` and tasktest stand
// on it; a real host has its own. It schedules nothing and retries nothing.
package solo
