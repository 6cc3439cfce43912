package app

import (
	"os"

	"github.com/taskhost/taskhost/sdk/notify"
)

// programEnv tells plugins the file of the host's own program, which scripts of the plugin exec call. It is nothing where that
// cannot be told, or where the file has gone.
func programEnv() []string {
	path, err := os.Executable()
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		return nil
	}
	return []string{notify.ProgramEnv + "=" + path}
}
