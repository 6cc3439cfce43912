//go:build !linux

package api

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// peersKnown says whether the system tells who connects to a socket.
const peersKnown = false

// peerUID is the host's own user: only he and root can open a socket of mode 0600.
func peerUID(*net.UnixConn) (int, error) { return os.Geteuid(), nil }

// refused reports whether nobody listens at the socket.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
