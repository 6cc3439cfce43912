package torture

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// moment is what a plugin of the task (of any: "") has just written down.
type moment struct {
	kind journal.Kind
	task string
}

// listener hears what plugins are about to do, and acts within the same moment.
type listener struct {
	conn *net.UnixConn

	mu  sync.Mutex
	at  moment // that is waited for
	act func(pid int)
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
		said := strings.Fields(string(buf[:n]))
		if len(said) != 3 {
			continue
		}
		pid, err := strconv.Atoi(said[0])
		if err != nil {
			continue
		}
		l.mu.Lock()
		if l.act != nil && string(l.at.kind) == said[1] && (l.at.task == "" || l.at.task == said[2]) {
			act := l.act
			l.act = nil
			act(pid)
		}
		l.mu.Unlock()
	}
}

// on lets act be called once, when the moment comes next. The function that it returns calls that off.
func (l *listener) on(m moment, act func(pid int)) (off func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.act = m, act
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.act = nil
	}
}
