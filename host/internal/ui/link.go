package ui

import (
	"sync"
	"time"
)

const (
	linkLife = 10 * time.Minute
	maxLinks = 100
)

// links are the one-time links that nobody has used yet.
type links struct {
	now func() time.Time

	mu   sync.Mutex
	held map[digest]link
}

type link struct {
	token string
	ends  time.Time
}

func (l *links) add(token string) string {
	code, key := secret()
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, one := range l.held {
		if !now.Before(one.ends) || len(l.held) >= maxLinks {
			delete(l.held, k)
		}
	}
	l.held[key] = link{token: token, ends: now.Add(linkLife)}
	return code
}

func (l *links) take(code string) (string, bool) {
	key := digestOf(code)
	l.mu.Lock()
	defer l.mu.Unlock()
	one, ok := l.held[key]
	delete(l.held, key)
	if !ok || !l.now().Before(one.ends) {
		return "", false
	}
	return one.token, true
}
