//go:build !linux

package process

import "os"

// leftovers is what an earlier process may have left.
type leftovers struct{ record record }

// kill does nothing: without start times a recorded pid cannot be told from a stranger's.
// The end of the lifeline ends a process that an earlier host left, and the lock tells when.
func (l *leftovers) kill(*os.File, bool) bool { return false }

func bootID() string { return "" }
