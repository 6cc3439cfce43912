// Package apitest serves a live admin API over a fleet that behaves like one, for the tests of the
// API and of the CLI. Its tasks are named for what they do: quick and failing end at once, slow ends when
// it is asked to, stubborn only when it is killed, clock is continuous, loader takes from the queue urls. It
// starts no process and has no clock of its own.
package apitest
