package api

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// shortDir is a directory whose path fits into a socket address.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "th")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestOnlyLoopbackIsListenedOnWithoutTLS(t *testing.T) {
	t.Parallel()
	for addr, ok := range map[string]bool{
		"127.0.0.1:0": true, "127.1.2.3:0": true, "localhost:0": true, "[::1]:0": true,
		"0.0.0.0:0": false, ":0": false, "[::]:0": false, "10.0.0.1:80": false, "example.org:80": false, "127.0.0.1": false,
	} {
		if err := checkLoopback(addr); (err == nil) != ok {
			t.Errorf("%q: %v, want allowed = %v", addr, err, ok)
		}
	}
}

func TestASocketIsPrivateAndGoesWithItsListener(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "data", "admin.sock")
	l, err := Listen(t.Context(), "unix:"+path, Listening{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if _, err := Listen(t.Context(), "unix:"+path, Listening{}); err == nil || !strings.Contains(err.Error(), "another host") {
		t.Errorf("a second host on the socket: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) > 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestAStaleSocketIsReplacedAndAFileIsNot(t *testing.T) {
	t.Parallel()
	dir := shortDir(t)
	path := filepath.Join(dir, "admin.sock")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	l, err := Listen(t.Context(), "unix:"+path, Listening{})
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	l.Close()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), "unix:"+file, Listening{}); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Error("the file was overwritten")
	}
}

func TestASocketMayHaveALongPath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), strings.Repeat("d", 100), strings.Repeat("e", 100), "admin.sock")
	l, err := Listen(t.Context(), "unix:"+path, Listening{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			c.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := admin.DialUnix(ctx, path)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	c.Close()
}

func TestTheTokenIsMadeOnceAndKeptSecret(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "admin.token")
	first, err := LoadToken(path)
	if err != nil || !strings.HasPrefix(first, "th_") || len(first) != 3+64 {
		t.Fatalf("token %q, %v", first, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if again, err := LoadToken(path); err != nil || again != first {
		t.Errorf("second start: %q, %v; want the same token", again, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadToken(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a token that others may read: %v", err)
	}
	empty := filepath.Join(t.TempDir(), "admin.token")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadToken(empty); err == nil {
		t.Error("an empty token was accepted")
	}
	if _, err := LoadToken(t.TempDir()); err == nil {
		t.Error("a directory was read as a token")
	}
}

func TestStartsAtOnceAgreeOnOneToken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "admin.token")
	texts := make(chan string, 16)
	for range cap(texts) {
		go func() {
			text, err := LoadToken(path)
			if err != nil {
				t.Error(err)
			}
			texts <- text
		}()
	}
	first := <-texts
	for range cap(texts) - 1 {
		if text := <-texts; text != first {
			t.Errorf("%q and %q", text, first)
		}
	}
}
