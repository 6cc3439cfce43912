package api

import (
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// peersKnown says whether the system tells who connects to a socket.
const peersKnown = true

// peerUID asks the kernel for the user at the other end.
func peerUID(c *net.UnixConn) (int, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, credErr); err != nil {
		return 0, err
	}
	return int(cred.Uid), nil
}

// refused reports whether nobody listens at the socket.
func refused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }
