// Package task holds the nouns of the host: what a task is (Definition), what it
// does (State, Run, Slot, Status), what people ask of it (Command) and the small
// contracts that several packages meet at (Launcher, Process, Session, Journal).
// It is plain data: it starts nothing, stores nothing and imports nothing of the
// host. Values are immutable once they have been handed over.
package task
