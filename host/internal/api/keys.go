package api

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

const (
	keyTime = 24 * time.Hour // how long an Idempotency-Key is remembered
	maxKeys = 10_000
	keyLong = 255
)

// keys remembers which run an Idempotency-Key brought about. A key belongs to its caller and route.
type keys struct {
	now  func() time.Time
	mu   sync.Mutex
	seen map[string]*keyed
	old  []string // in the order in which they came
}

type keyed struct {
	digest [sha256.Size]byte
	at     time.Time
	done   chan struct{} // closed when the first request with the key has its run, or failed
	run    string
}

func newKeys(now func() time.Time) *keys { return &keys{now: now, seen: map[string]*keyed{}} }

// once returns the run that start brings about. With an Idempotency-Key start is called once for all
// requests with that key; one that failed is forgotten, so that it can be tried again.
func (k *keys) once(r *request, body []byte, start func() (string, error)) (string, error) {
	name := r.Header.Get("Idempotency-Key")
	if name == "" {
		return start()
	}
	if len(name) > keyLong {
		return "", refuse("query_invalid", "the Idempotency-Key has more than %d characters", keyLong).with("use a short random text")
	}
	key := r.who.Via + "\x00" + r.who.Name + "\x00" + r.Method + " " + r.URL.Path + "\x00" + name
	for {
		e, first := k.enter(key, sha256.Sum256(bytes.TrimSpace(body)))
		if first {
			run, err := start()
			k.leave(key, e, run)
			return run, err
		}
		if e == nil {
			return "", refuse("key_reused", "the Idempotency-Key %q came with another body before", short(name))
		}
		select {
		case <-e.done:
		case <-r.Context().Done():
			return "", r.Context().Err()
		}
		if e.run != "" {
			r.w.Header().Set("Idempotency-Replayed", "true")
			return e.run, nil
		}
	}
}

// enter returns the entry of a key and whether it is new; nil when it belongs to another body.
func (k *keys) enter(key string, digest [sha256.Size]byte) (*keyed, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget()
	if e, ok := k.seen[key]; ok {
		if e.digest != digest {
			return nil, false
		}
		return e, false
	}
	e := &keyed{digest: digest, at: k.now(), done: make(chan struct{})}
	k.seen[key] = e
	k.old = append(k.old, key)
	return e, true
}

func (k *keys) leave(key string, e *keyed, run string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e.run = run
	if run == "" {
		delete(k.seen, key)
		k.old = slices.DeleteFunc(k.old, func(o string) bool { return o == key })
	}
	close(e.done)
}

// forget drops what is too old or too many. The lock is held.
func (k *keys) forget() {
	for len(k.old) > 0 {
		e := k.seen[k.old[0]]
		if e != nil && k.now().Sub(e.at) < keyTime && len(k.seen) < maxKeys {
			return
		}
		delete(k.seen, k.old[0])
		k.old = k.old[1:]
	}
}
