package api

import (
	linked "container/list"
	"net"
	"sync"
	"time"
)

const (
	mostGuests = 2048             // connections of a listener at a time
	graceTime  = time.Second      // that a connection has between two requests before it makes room for another one
	writeTime  = 10 * time.Second // to take a part of an answer
	unread     = 128 << 10        // bytes of answers that the kernel keeps for a caller who does not read
)

// arrivals is how many connections a port lets in: a new one costs about as much as an answer, and a thousand a second are
// as much as may be taken from the tasks for that. The others wait in the kernel.
var arrivals = Rate{Number: 50, Per: 50 * time.Millisecond}

// A lobby bounds the connections of a listener, so that no crowd takes the host's memory and descriptors. When it is full the
// next one waits until another leaves, or takes the place of the one that rests for longest after its last request: so
// connections that are kept keep nobody out. Those whose request is being answered stay, and so do new ones, which the
// server itself cuts when they do not ask in time: a host that comes late must not cut who has asked.
type lobby struct {
	net.Listener
	most      int
	writeTime time.Duration
	arrivals  Rate   // zero is as they come
	came      bucket // of arrivals; one goroutine accepts

	mu      sync.Mutex
	held    int
	cut     uint64        // that made room for another
	delayed uint64        // that found no room when they came
	resting linked.List   // *guest between two requests, the one that rests for longest first
	room    chan struct{} // somebody left
	end     sync.Once
	closed  chan struct{}
}

func newLobby(l net.Listener, o Listening) *lobby {
	b := &lobby{Listener: l, most: o.Most, writeTime: o.WriteTime, arrivals: o.arrivals, room: make(chan struct{}, 1), closed: make(chan struct{})}
	if b.most == 0 {
		b.most = mostGuests
	}
	if b.writeTime == 0 {
		b.writeTime = writeTime
	}
	return b
}

// Accept waits for the next connection, and until there is room for it.
func (l *lobby) Accept() (net.Conn, error) {
	if err := l.pace(); err != nil {
		return nil, err
	}
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		g, wait := l.enter(c, first)
		if g != nil {
			return g, nil
		}
		later := time.NewTimer(wait)
		select {
		case <-l.room:
		case <-later.C:
		case <-l.closed:
			c.Close()
			return nil, net.ErrClosed
		}
		later.Stop()
	}
}

// pace waits until one more may come in.
func (l *lobby) pace() error {
	for l.arrivals.Number > 0 {
		wait := l.came.take(l.arrivals, time.Now())
		if wait == 0 {
			break
		}
		later := time.NewTimer(wait)
		select {
		case <-later.C:
		case <-l.closed:
			later.Stop()
			return net.ErrClosed
		}
	}
	return nil
}

// enter lets c in. When there is no room it says after which time to try again; first says that c has just come.
func (l *lobby) enter(c net.Conn, first bool) (*guest, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait := l.makeRoom(); wait > 0 {
		if first {
			l.delayed++
		}
		return nil, wait
	}
	if c, ok := c.(interface{ SetWriteBuffer(int) error }); ok {
		_ = c.SetWriteBuffer(unread) // when it cannot be set the kernel's own bound holds
	}
	l.held++
	return &guest{Conn: c, lobby: l}, 0
}

// makeRoom cuts the one that rests for longest when it is full, or says after which time to try again. The lock is held.
func (l *lobby) makeRoom() time.Duration {
	if l.held < l.most {
		return 0
	}
	if l.resting.Len() == 0 {
		return graceTime
	}
	longest := l.resting.Front().Value.(*guest)
	if wait := graceTime - time.Since(longest.since); wait > 0 {
		return wait
	}
	l.cut++
	l.leave(longest)
	longest.Conn.Close() // the server sees that, and ends what it has of it
	return 0
}

// rest puts g last among those that rest. The lock is held.
func (l *lobby) rest(g *guest) {
	if !g.gone {
		g.since = time.Now()
		g.resting = l.resting.PushBack(g)
	}
}

// rise takes g away from those that rest. The lock is held.
func (l *lobby) rise(g *guest) {
	if g.resting != nil {
		l.resting.Remove(g.resting)
		g.resting = nil
	}
}

// leave gives the place of g back, once. The lock is held.
func (l *lobby) leave(g *guest) {
	if g.gone {
		return
	}
	g.gone = true
	l.rise(g)
	l.held--
	select {
	case l.room <- struct{}{}:
	default:
	}
}

// Close ends the listener. Its connections go on.
func (l *lobby) Close() error {
	l.end.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// A guest is a connection in a lobby.
type guest struct {
	net.Conn
	lobby *lobby

	// the lobby's lock guards these
	gone    bool
	resting *linked.Element // nil before the first request, and while one is being answered
	since   time.Time       // when it began to rest
}

// busy says that a request of the connection is being answered, until done.
func (g *guest) busy() {
	if g == nil { // of a listener that is not the API's own
		return
	}
	g.lobby.mu.Lock()
	g.lobby.rise(g)
	g.lobby.mu.Unlock()
}

func (g *guest) done() {
	if g == nil {
		return
	}
	g.lobby.mu.Lock()
	g.lobby.rest(g)
	g.lobby.mu.Unlock()
}

// Write cuts a caller who does not take what is written, so that a stuck reader holds nothing up.
func (g *guest) Write(p []byte) (int, error) {
	if err := g.Conn.SetWriteDeadline(time.Now().Add(g.lobby.writeTime)); err != nil {
		return 0, err
	}
	return g.Conn.Write(p)
}

// CloseWrite lets the other end read the last answer before the connection is closed.
func (g *guest) CloseWrite() error {
	if c, ok := g.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// Close ends the connection.
func (g *guest) Close() error {
	g.lobby.mu.Lock()
	g.lobby.leave(g)
	g.lobby.mu.Unlock()
	return g.Conn.Close()
}
