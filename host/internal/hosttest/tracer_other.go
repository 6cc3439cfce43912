//go:build !linux

package hosttest

// PlayTracer does nothing: tests that trace are for Linux.
func PlayTracer() (played bool) { return false }
