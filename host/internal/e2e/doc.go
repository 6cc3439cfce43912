// Package e2e holds the whole-program tests: a real host with real plugins, looked at
// from outside through its API, its command line and the process table. It exports nothing.
package e2e
