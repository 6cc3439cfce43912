package process

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// dialSocket connects to the socket called name in dir. The path of a socket is short by
// law (108 bytes), that of a data directory is not; so the way leads through a
// descriptor of the directory.
func dialSocket(ctx context.Context, dir, name string) (net.Conn, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	defer unix.Close(fd)
	var d net.Dialer
	return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", fd, name))
}
