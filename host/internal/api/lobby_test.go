package api

import (
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a listener whose connections are made in memory.
type gate struct {
	come chan net.Conn
	end  chan struct{}
}

func (g *gate) Accept() (net.Conn, error) {
	select {
	case c := <-g.come:
		return c, nil
	case <-g.end:
		return nil, net.ErrClosed
	}
}

func (g *gate) Close() error { close(g.end); return nil }
func (*gate) Addr() net.Addr { return &net.TCPAddr{} }

// hall is a lobby for two, and who was let in.
func hall(o Listening) (l *lobby, knock func() net.Conn, in chan *guest) {
	g := &gate{make(chan net.Conn), make(chan struct{})}
	l, in = newLobby(g, o), make(chan *guest, 10)
	go func() {
		defer close(in)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in <- c.(*guest)
		}
	}()
	return l, func() net.Conn {
		mine, theirs := net.Pipe()
		g.come <- theirs
		return mine
	}, in
}

// isCut says whether the other end has closed.
func isCut(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	return err == io.EOF
}

func TestWhoRestsForLongestMakesRoomForTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, knock, in := hall(Listening{Most: 2})
		first, second := knock(), knock()
		a, b := <-in, <-in
		for _, g := range []*guest{b, a} { // the second rests for longer
			g.busy()
			g.done()
		}
		time.Sleep(time.Minute)
		third := knock()
		c := <-in
		if isCut(first) || !isCut(second) || isCut(third) {
			t.Errorf("cut: %v %v %v; want the second", isCut(first), isCut(second), isCut(third))
		}
		for _, g := range []*guest{a, b, c, b} { // the server closes also what was cut
			g.Close()
		}
		if l.held != 0 || l.resting.Len() != 0 {
			t.Errorf("%d are held and %d rest when all have gone", l.held, l.resting.Len())
		}
		l.Close()
		<-in
	})
}

func TestACrowdIsLetInAtARate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, knock, in := hall(Listening{Most: 100, arrivals: Rate{Number: 2, Per: time.Second}})
		began := time.Now()
		var came []time.Duration
		go func() {
			for range 5 {
				knock()
			}
		}()
		for range 5 {
			<-in
			came = append(came, time.Since(began))
		}
		want := []time.Duration{0, 0, 500 * time.Millisecond, time.Second, 1500 * time.Millisecond}
		if !slices.Equal(came, want) {
			t.Errorf("they came in after %v, want %v", came, want)
		}
		l.Close()
		<-in
	})
}

func TestManyWhoComeAtOnceWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, knock, in := hall(Listening{Most: 2})
		first, second, third := knock(), knock(), knock()
		a, b := <-in, <-in
		time.Sleep(time.Hour) // the host may come late to read what they ask for
		if len(in) != 0 || isCut(first) || isCut(second) {
			t.Errorf("%d came in besides two whose request was not read yet", len(in))
		}
		b.Close()
		c := <-in // there is room without a wait
		if isCut(first) || isCut(third) {
			t.Error("somebody was cut although another had left")
		}
		a.busy()
		a.done()
		knocked := time.Now()
		fourth := knock()
		d := <-in
		if waited := time.Since(knocked); !isCut(first) || isCut(fourth) || waited > graceTime {
			t.Errorf("the fourth came in after %v, the first cut: %v", waited, isCut(first))
		}
		for _, g := range []*guest{a, c, d} {
			g.Close()
		}
		l.Close()
		<-in
	})
}

func TestWhoIsBeingAnsweredStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, knock, in := hall(Listening{Most: 1})
		first := knock()
		a := <-in
		a.busy()
		second := knock()
		time.Sleep(time.Hour)
		if isCut(first) || len(in) != 0 {
			t.Errorf("cut: %v, in: %d", isCut(first), len(in))
		}
		a.done()
		b := <-in
		if !isCut(first) || isCut(second) {
			t.Errorf("cut: %v %v; want the first", isCut(first), isCut(second))
		}
		a.Close()
		b.busy()
		third := knock()
		synctest.Wait()
		l.Close() // the third waits: it is told
		if <-in != nil || !isCut(third) || isCut(second) {
			t.Error("the end of the listener is not that of who waits, or of who is in")
		}
		b.Close()
	})
}

func TestWhoTakesNothingIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, knock, in := hall(Listening{WriteTime: 3 * time.Second})
		reader := knock()
		g := <-in
		began := time.Now()
		if n, err := g.Write([]byte("answer")); n != 0 || err == nil || time.Since(began) != 3*time.Second {
			t.Errorf("wrote %d after %v: %v", n, time.Since(began), err)
		}
		go io.CopyN(io.Discard, reader, 6)
		if n, err := g.Write([]byte("answer")); n != 6 || err != nil {
			t.Errorf("wrote %d to one who reads again: %v", n, err)
		}
		g.Close()
		l.Close()
		<-in
	})
}
