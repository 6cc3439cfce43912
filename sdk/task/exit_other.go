//go:build !unix

package task

import "os"

// exit ends the process.
func exit(code int) { os.Exit(code) }
