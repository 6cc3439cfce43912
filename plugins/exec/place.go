package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
)

// maxSocket is what a path of a Unix socket may have on every system, in bytes.
const maxSocket = 100

// place is a directory for the sockets of the commands of one task.
type place struct {
	dir  string
	next atomic.Uint64
}

// ownDirectory is the directory of this process, where its host removes what is left; "" when nobody named one. It is
// relative, and so asked for before anything enters another directory.
func ownDirectory() string {
	dir := os.Getenv("PLUGIN_UNIX_SOCKET_DIR")
	if dir == "" {
		return ""
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return ""
	}
	return dir
}

// newPlace makes the directory below own. Where that is too deep for a socket it is one for temporary files.
func newPlace(own string) (*place, error) {
	var errs []error
	for _, base := range []string{own, os.TempDir(), "/tmp"} {
		if base == "" || len(base)+len("/notify-1234567890/1234567890n") > maxSocket {
			continue
		}
		dir, err := os.MkdirTemp(base, "notify-")
		if err == nil {
			return &place{dir: dir}, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("make a directory for the sockets of commands: %w", errors.Join(errs...))
}

// paths are those of the two sockets of a command.
func (p *place) paths() (notices, requests string) {
	n := filepath.Join(p.dir, strconv.FormatUint(p.next.Add(1), 36))
	return n + "n", n + "r"
}

func (p *place) remove() error { return os.RemoveAll(p.dir) }
