package torture

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// listener hears what plugins are about to do, and acts within the same moment.
type listener struct {
	conn *net.UnixConn

	mu   sync.Mutex
	kind journal.Kind // that is waited for
	act  func(pid int)
}

func listen(t *testing.T, path string) *listener {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{conn: conn}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.hear()
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return l
}

func (l *listener) hear() {
	buf := make([]byte, 64)
	for {
		n, err := l.conn.Read(buf)
		if err != nil {
			return
		}
		text, kind, _ := strings.Cut(string(buf[:n]), " ")
		pid, err := strconv.Atoi(text)
		if err != nil {
			continue
		}
		l.mu.Lock()
		if l.act != nil && string(l.kind) == kind {
			act := l.act
			l.act = nil
			act(pid)
		}
		l.mu.Unlock()
	}
}

// on lets act be called once, at the next mark of the kind. The function that it returns calls that off.
func (l *listener) on(kind journal.Kind, act func(pid int)) (off func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kind, l.act = kind, act
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.act = nil
	}
}
