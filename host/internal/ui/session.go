package ui

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

const (
	idleLife    = time.Hour      // of a session that makes no request
	wholeLife   = 12 * time.Hour // of a session, whatever it does
	maxSessions = 1000
)

// digest is how a secret is kept that only its holder needs to know.
type digest [sha256.Size]byte

func digestOf(text string) digest { return sha256.Sum256([]byte(text)) }

// secret makes a new one.
func secret() (text string, key digest) {
	data := make([]byte, 24)
	rand.Read(data)
	text = base64.RawURLEncoding.EncodeToString(data)
	return text, digestOf(text)
}

// sessions are those of the people who have the page open. They live as long as the host does.
type sessions struct {
	now func() time.Time

	mu   sync.Mutex
	held map[digest]*session
}

type session struct {
	token string
	path  string // of its cookie
	begun time.Time
	used  time.Time
	ended context.Context
	end   context.CancelFunc
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.used) >= idleLife || now.Sub(s.begun) >= wholeLife
}

// add makes a session. When there are too many, the one that was used longest ago ends.
func (s *sessions) add(token, path string) string {
	text, key := secret()
	now := s.now()
	one := &session{token: token, path: path, begun: now, used: now}
	one.ended, one.end = context.WithTimeout(context.Background(), wholeLife) // a stream may make no request that would notice
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, old := range s.held {
		if old.over(now) {
			s.drop(k)
		}
	}
	if len(s.held) >= maxSessions {
		s.drop(s.oldest())
	}
	s.held[key] = one
	return text
}

// find is the session, which counts as used now; nil when there is none such.
func (s *sessions) find(text string) *session {
	key, now := digestOf(text), s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.held[key]
	if one != nil && one.over(now) {
		s.drop(key)
		return nil
	}
	if one != nil {
		one.used = now
	}
	return one
}

func (s *sessions) remove(text string) *session {
	key := digestOf(text)
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.held[key]
	s.drop(key)
	return one
}

func (s *sessions) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.held {
		s.drop(k)
	}
}

// drop ends a session. The lock is held.
func (s *sessions) drop(key digest) {
	if one := s.held[key]; one != nil {
		one.end()
		delete(s.held, key)
	}
}

// oldest is the session that was used longest ago. The lock is held.
func (s *sessions) oldest() (key digest) {
	var at time.Time
	for k, one := range s.held {
		if at.IsZero() || one.used.Before(at) {
			key, at = k, one.used
		}
	}
	return key
}

// Enter begins a session that is worth the token, and gives its cookie to the browser. base is the path below which
// the browser sees the host: a proxy may have put one before it.
func (p *Page) Enter(w http.ResponseWriter, r *http.Request, token, base string) {
	base = cleanBase(base)
	p.Leave(w, r)
	w.Header().Del("Set-Cookie")
	http.SetCookie(w, p.newCookie(r, p.sessions.add(token, base), base, 0))
}

// Leave ends the session that the request shows.
func (p *Page) Leave(w http.ResponseWriter, r *http.Request) {
	c, err := r.Cookie(p.cookie)
	if err != nil {
		return
	}
	if one := p.sessions.remove(c.Value); one != nil {
		http.SetCookie(w, p.newCookie(r, "", one.path, -1))
	}
}

// Token is what the session that the request shows is worth, and when it ends; "" without a session.
func (p *Page) Token(r *http.Request) (token string, ended context.Context) {
	c, err := r.Cookie(p.cookie)
	if err != nil {
		return "", nil
	}
	one := p.sessions.find(c.Value)
	if one == nil {
		return "", nil
	}
	return one.token, one.ended
}

// Forget ends the session that the request shows: its token is worth nothing any more.
func (p *Page) Forget(r *http.Request) {
	if c, err := r.Cookie(p.cookie); err == nil {
		p.sessions.remove(c.Value)
	}
}

func (p *Page) newCookie(r *http.Request, value, base string, age int) *http.Cookie {
	return &http.Cookie{
		Name: p.cookie, Value: value, Path: base, MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: secure(r),
	}
}

// cleanBase is a path as a cookie has it, "/" for what is none.
func cleanBase(base string) string {
	if !strings.HasPrefix(base, "/") || len(base) > 200 || strings.ContainsFunc(base, notOfPath) {
		return "/"
	}
	return path.Clean(base)
}

func notOfPath(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune(`;,"\`, c)
}
