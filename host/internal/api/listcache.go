package api

import (
	"sync"
	"time"
)

// Versioned is an ability that a Library may have: Version rises with every change of what Status and State say. With it
// the list of all tasks is made once for all who ask for it between two changes.
type Versioned interface{ Version() uint64 }

const (
	// mostLists is how many different lists are remembered between two changes.
	mostLists = 32
	// liveTime is how long a list with live runs holds: their times go on.
	liveTime = 100 * time.Millisecond
)

// lists remembers answers by the query that they are for, as long as nothing changes. It is safe for concurrent use.
type lists struct {
	mu      sync.Mutex
	version listVersion
	known   map[string]list
}

type list struct {
	data  encoded
	until time.Time // zero: as long as the version holds
}

// encoded is an answer that is JSON already. Nobody changes it.
type encoded []byte

// listVersion is the version of what a list would say.
type listVersion struct {
	library, usage uint64
	generation     int
}

// listVersion is the version of a list that would be made now. Without versions nothing is remembered.
func (a *API) listVersion() (listVersion, bool) {
	v, ok := a.Library.(Versioned)
	if !ok {
		return listVersion{}, false
	}
	now := listVersion{library: v.Version(), generation: a.Fleet.Generation().Number}
	if a.Usage != nil {
		now.usage = a.Usage.Version()
	}
	return now, true
}

func (l *lists) get(version listVersion, query string, now time.Time) (encoded, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one, there := l.known[query]
	if !there || l.version != version || !one.until.IsZero() && !now.Before(one.until) {
		return nil, false
	}
	return one.data, true
}

// put remembers a list that was made after the version was read.
func (l *lists) put(version listVersion, query string, one list) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.version != version || l.known == nil {
		l.version, l.known = version, map[string]list{}
	}
	if len(l.known) < mostLists {
		l.known[query] = one
	}
}
