package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/audit"
)

// Listening says how an address is listened on.
type Listening struct {
	Attribute string       // where the file says so, for messages
	TLS       *TLS         // of TCP addresses; without it they must be of this machine alone
	Users     map[int]Role // who may connect to a Unix socket beside the host's own user and root, by uid

	Most      int           // connections at a time; 0 is 2,048
	WriteTime time.Duration // to take a part of an answer; 0 is 10 s
	Crowds    *Crowds       // learns of the listener; nil is nobody
	Audit     *audit.Log    // where those stand who may not; nil is nowhere

	arrivals Rate // connections that are let in; zero is as they come
}

// Listen opens one address: unix:PATH or IP:PORT. A socket that an earlier host left is replaced when
// nobody answers there.
func Listen(ctx context.Context, addr string, o Listening) (net.Listener, error) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		if strings.HasPrefix(path, "///") {
			path = path[2:]
		}
		l, err := listenUnix(ctx, path, o)
		if err != nil {
			return nil, err
		}
		return o.Crowds.watch(o.Attribute, "unix:"+path, newLobby(l, o)), nil
	}
	if o.TLS == nil {
		if err := checkLoopback(addr); err != nil {
			return nil, err
		}
	} else if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, fmt.Errorf("%q is no address; write unix:PATH or IP:PORT", addr)
	}
	l, err := listenTCP(ctx, addr, o.Attribute)
	if err != nil {
		return nil, err
	}
	o.arrivals = arrivals
	guests := o.Crowds.watch(o.Attribute, l.Addr().String(), newLobby(l, o))
	if o.TLS == nil {
		return guests, nil
	}
	return o.TLS.listener(guests), nil
}

// listenTCP binds addr; attribute is where the file says so.
func listenTCP(ctx context.Context, addr, attribute string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w; another program has the port: change %s", addr, err, attribute)
	}
	return l, nil
}

// checkLoopback refuses an address that others could reach: what they send would be readable on
// the way, the token included.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%q is no address; write unix:PATH or 127.0.0.1:PORT", addr)
	}
	if host == "localhost" {
		return nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return fmt.Errorf("refuse to listen on %q: others could reach it, and it has no TLS; add a tls block, or listen on 127.0.0.1 and put a TLS proxy or an SSH tunnel before it", addr)
	}
	return nil
}

// listenUnix binds beside path and moves the socket there: it is never there with a wider mode than
// it is to have, and a stale one is replaced in one step. Who else may connect is known by his uid, so
// the mode lets everybody knock then.
func listenUnix(ctx context.Context, path string, o Listening) (*unixListener, error) {
	if path == "" {
		return nil, errors.New(`the address "unix:" names no socket; write unix:data/admin.sock`)
	}
	if len(o.Users) > 0 && !peersKnown {
		return nil, fmt.Errorf("listen on %s: this system does not say who connects to a socket; leave socket_users out", path)
	}
	if err := checkNobodyAnswers(ctx, path); err != nil {
		return nil, err
	}
	parent := filepath.Dir(path)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	private, err := os.MkdirTemp(parent, ".sock-*") // 0700
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	defer os.RemoveAll(private)
	l, err := bindUnix(ctx, private)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	fresh := filepath.Join(private, socketName)
	mode := fs.FileMode(0o600)
	if len(o.Users) > 0 {
		mode = 0o666
	}
	err = os.Chmod(fresh, mode)
	if err == nil {
		err = os.Rename(fresh, path)
	}
	var info fs.FileInfo
	if err == nil {
		info, err = os.Lstat(path)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return &unixListener{UnixListener: l, path: path, info: info, users: o.Users, audit: o.Audit}, nil
}

const (
	socketName = "s"
	probeTime  = time.Second
)

// bindUnix binds a socket in dir, which it names by descriptor when its path is too long for a
// socket address.
func bindUnix(ctx context.Context, dir string) (*net.UnixListener, error) {
	name := filepath.Join(dir, socketName)
	if len(name) > 100 {
		d, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		name = fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketName)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", name)
	if err != nil {
		return nil, err
	}
	u := l.(*net.UnixListener)
	u.SetUnlinkOnClose(false) // the name is not where it was bound
	return u, nil
}

// checkNobodyAnswers refuses a path that is no socket, or behind which another host lives.
func checkNobodyAnswers(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listen on %s: %w", path, err)
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen on %s: there is a file that is no socket; move it away or change host.admin.listen", path)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	c, err := admin.DialUnix(ctx, path)
	if err == nil {
		c.Close()
		return fmt.Errorf("listen on %s: another host answers there; stop it, or give this one a data_dir of its own", path)
	}
	if !refused(err) {
		return fmt.Errorf("listen on %s: cannot tell whether another host lives there: %w", path, err)
	}
	return nil
}

// unixListener lets in only the host's own user, root and those who are named, and removes its socket
// when it ends.
type unixListener struct {
	*net.UnixListener
	path  string
	info  fs.FileInfo
	users map[int]Role
	audit *audit.Log
}

// unixConn is a connection whose other end is known.
type unixConn struct {
	*net.UnixConn
	peer peer
}

// Accept waits for the next connection of somebody who may connect; others are cut and written down.
func (l *unixListener) Accept() (net.Conn, error) {
	for {
		c, err := l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		uid, err := peerUID(c)
		if role, ok := l.role(uid); ok && err == nil {
			return &unixConn{c, peer{unix: true, uid: uid, name: userName(uid), role: role}}, nil
		}
		l.stranger(uid, err)
		c.Close()
	}
}

// role is what the user may do; false when he may not connect.
func (l *unixListener) role(uid int) (Role, bool) {
	if uid == 0 || uid == os.Geteuid() {
		return Admin, true
	}
	role, ok := l.users[uid]
	return role, ok
}

// Close ends the listener and removes its socket, unless another has taken its place.
func (l *unixListener) Close() error {
	err := l.UnixListener.Close()
	if now, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(now, l.info) {
		os.Remove(l.path)
	}
	return err
}
