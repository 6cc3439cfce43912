package ui

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

// Options of a Page.
type Options struct {
	Now  func() time.Time // time.Now
	Name string           // anything that stays the same for one host and differs between two
}

// Page is the page with who has it open. It is safe for concurrent use.
type Page struct {
	sessions sessions
	links    links
	cookie   string
	files    map[string]*file
}

// New makes a Page that nobody has open.
func New(o Options) *Page {
	if o.Now == nil {
		o.Now = time.Now
	}
	sum := sha256.Sum256([]byte("cookie of the page\x00" + o.Name))
	return &Page{
		sessions: sessions{now: o.Now, held: map[digest]*session{}},
		links:    links{now: o.Now, held: map[digest]link{}},
		cookie:   "taskhost_" + hex.EncodeToString(sum[:4]), // browsers do not tell ports of a machine apart, and two hosts may live there
		files:    files(),
	}
}

// Link is the code of a new one-time link, which is worth the token once, for ten minutes.
func (p *Page) Link(token string) string { return p.links.add(token) }

// Redeem returns the token of a one-time link, which is worth nothing after that.
func (p *Page) Redeem(code string) (token string, ok bool) { return p.links.take(code) }

// Close ends all sessions, and so what is being streamed to them.
func (p *Page) Close() { p.sessions.close() }

// secure reports whether the browser that sent r speaks TLS, to the host or to a proxy before it.
func secure(r *http.Request) bool {
	const scheme = "https://"
	origin := r.Header.Get("Origin")
	return r.TLS != nil || len(origin) > len(scheme) && origin[:len(scheme)] == scheme
}
