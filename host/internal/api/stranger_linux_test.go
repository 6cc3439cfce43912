package api

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host/internal/audit"
)

// dialAs connects as another account: the kernel looks at the thread that does. It says what comes back.
func dialAs(t *testing.T, uid int, path string) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with its goroutine
		const keep = ^uintptr(0)
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(uid), keep); errno != 0 {
			done <- errno
			return
		}
		c, err := net.Dial("unix", path)
		if err == nil {
			_, err = io.Copy(io.Discard, c) // until it is cut
			c.Close()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestWhoMayNotUseTheSocketIsCutAndWrittenDown(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	dir := shortDir(t)
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "audit.jsonl")
	written, err := audit.Open(file, audit.Options{MaxSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "admin.sock")
	l, err := Listen(t.Context(), "unix:"+path, Listening{Users: map[int]Role{1000: Operator}, Audit: written})
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := l.Accept() // lets nobody in
		if err == nil {
			c.Close()
		}
		accepted <- err
	}()
	for range 3 {
		dialAs(t, 64001, path)
	}
	dialAs(t, 64002, path)
	l.Close()
	if err := <-accepted; err == nil {
		t.Error("somebody was let in")
	}
	items, _, err := written.Page(t.Context(), audit.Query{Limit: 10})
	if err != nil || len(items) != 2 {
		t.Fatalf("%d records, %v; want one of each account", len(items), err)
	}
	for i, uid := range []int{64002, 64001} { // the newest first
		if r := items[i]; r.UID == nil || *r.UID != uid || r.Actor != userName(uid) || r.Via != "unix" || r.Transport != "unix" || r.Route != "connect" || r.Name != path || r.Code != "forbidden" || r.Status != 403 {
			t.Errorf("%+v, want one of %d", r, uid)
		}
	}
	if err := written.Close(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(file); err != nil || !bytes.Contains(text, []byte(`"count":2`)) {
		t.Errorf("%v: the other two of the first account are not counted:\n%s", err, text)
	}
}
