//go:build !linux

package process

import (
	"context"
	"net"
	"os"
	"path/filepath"
)

// dialSocket connects to the socket called name in dir. The path of a socket is short by
// law (104 bytes), that of a data directory is not; so the way leads through a link
// that lives as long as the call.
func dialSocket(ctx context.Context, dir, name string) (net.Conn, error) {
	short, err := os.MkdirTemp("", "th")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(short)
	full, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	link := filepath.Join(short, "d")
	if err := os.Symlink(full, link); err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, "unix", filepath.Join(link, name))
}
