// Package journal is how the plugins of the torture tests write down what they do, and how that is read after
// they were killed: one file per process, one synced line per entry, stamped with a clock that all processes share.
package journal
