package api

import (
	"slices"
	"strings"
	"sync"
)

// Crowds knows how full the listeners are that were opened with it. It is safe for concurrent use; nil knows none.
type Crowds struct {
	mu  sync.Mutex
	all []watched
}

type watched struct {
	listener, address string
	lobby             *lobby
}

// Crowd is what one listener holds.
type Crowd struct {
	Listener, Address string // admin or ingress, and where it listens
	Held, Most        int    // connections
	Cut               uint64 // connections that rested and made room for another
	Delayed           uint64 // connections that found no room when they came
}

// watch keeps a listener in sight; attribute is where the file says so.
func (c *Crowds) watch(attribute, address string, l *lobby) *lobby {
	if c != nil {
		listener := strings.TrimSuffix(strings.TrimPrefix(attribute, "host."), ".listen")
		c.mu.Lock()
		c.all = append(c.all, watched{listener, address, l})
		c.mu.Unlock()
	}
	return l
}

// Look says how full the listeners are now, in the order in which they were opened.
func (c *Crowds) Look() []Crowd {
	c.mu.Lock()
	all := slices.Clone(c.all)
	c.mu.Unlock()
	out := make([]Crowd, len(all))
	for i, w := range all {
		out[i] = w.lobby.crowd()
		out[i].Listener, out[i].Address = w.listener, w.address
	}
	return out
}

func (l *lobby) crowd() Crowd {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Crowd{Held: l.held, Most: l.most, Cut: l.cut, Delayed: l.delayed}
}
