package torture

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// moment is what a plugin of the task (of any: "") has just written down; any of so many that follow.
type moment struct {
	kind  journal.Kind
	task  string
	among int
}

// listener hears what plugins are about to do, and acts within the same moment.
type listener struct {
	conn *net.UnixConn

	mu   sync.Mutex
	at   moment // that is waited for
	skip int    // how often it comes before
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
			l.come(pid)
		}
		l.mu.Unlock()
	}
}

// come is the moment, with mu held.
func (l *listener) come(pid int) {
	if l.skip > 0 {
		l.skip--
		return
	}
	act := l.act
	l.act = nil
	act(pid)
}

// on lets act be called once, when the moment has come skip times and comes again. The function that it returns calls
// that off.
func (l *listener) on(m moment, skip int, act func(pid int)) (off func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.skip, l.act = m, skip, act
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.act = nil
	}
}
