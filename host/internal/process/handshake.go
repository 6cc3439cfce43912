package process

import (
	"io"
	"regexp"
	"strconv"
	"sync"
)

// Bounds of what a plugin may write to stdout before it shakes hands.
const (
	maxJunkLines = 64
	maxJunkBytes = 64 << 10
)

// handshake is the line with which a plugin says where it serves.
type handshake struct {
	core, protocol int
	network        string
	address        string
	kind           string // "grpc"
}

var (
	handshakeLine = regexp.MustCompile(`^(\d+)\|(\d+)\|(unix|tcp)\|([^|]+)\|?([a-z]*)`)
	// The line may stand behind something that was printed without a line end. The core
	// version is then taken to be 1, so that a digit before it is not read into it.
	handshakeTail = regexp.MustCompile(`(1)\|(\d+)\|(unix|tcp)\|([^|]+)\|(grpc)(?:\||$)`)
)

// parseHandshake looks for the handshake in a line of stdout; at is where it begins.
func parseHandshake(line []byte) (h handshake, at int, ok bool) {
	for _, form := range []*regexp.Regexp{handshakeLine, handshakeTail} {
		m := form.FindSubmatchIndex(line)
		if m == nil {
			continue
		}
		part := func(i int) string { return string(line[m[2*i]:m[2*i+1]]) }
		core, err1 := strconv.Atoi(part(1))
		protocol, err2 := strconv.Atoi(part(2))
		if err1 != nil || err2 != nil {
			continue
		}
		return handshake{core: core, protocol: protocol, network: part(3), address: part(4), kind: part(5)}, m[0], true
	}
	return handshake{}, 0, false
}

// greeting passes the handshake from the stdout reader to go-plugin, and holds what the
// launch wants to know about it.
type greeting struct {
	out *output
	r   *io.PipeReader // for go-plugin: the handshake line, then the end
	w   *io.PipeWriter

	mu    sync.Mutex
	seen  bool
	shake handshake
	lines int
	bytes int
	first string // first line of junk
	junk  bool   // too much of it
}

func newGreeting(out *output) *greeting {
	g := &greeting{out: out}
	g.r, g.w = io.Pipe()
	return g
}

// line takes a line of stdout. Before the handshake it looks for it; everything else
// is log. It reports whether the process is still worth waiting for.
func (g *greeting) line(line []byte, cut int) {
	g.mu.Lock()
	looking := !g.seen && !g.junk
	if looking {
		if h, at, ok := parseHandshake(line); ok && cut == 0 {
			g.seen, g.shake = true, h
			g.mu.Unlock()
			if at > 0 {
				g.out.stdout(line[:at], 0)
			}
			_, _ = g.w.Write(append(append([]byte(nil), line[at:]...), '\n'))
			return
		}
		g.lines++
	}
	if !g.seen && g.first == "" {
		g.first = plainText(line[:min(len(line), 80)], 0)
	}
	g.mu.Unlock()
	g.out.stdout(line, cut)
}

// count takes note of n bytes of stdout and reports whether the process has used up what
// it may write before the handshake.
func (g *greeting) count(n int) (spent bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.seen {
		return false
	}
	g.bytes += n
	g.junk = g.lines > maxJunkLines || g.bytes > maxJunkBytes
	return g.junk
}

// end lets go-plugin see the end of stdout. It may be called again.
func (g *greeting) end() { _ = g.w.Close() }

// state returns what has been seen so far.
func (g *greeting) state() (h handshake, seen, junk bool, first string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shake, g.seen, g.junk, g.first
}
