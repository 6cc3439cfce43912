package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	keyTime = 24 * time.Hour // how long an Idempotency-Key is remembered
	maxKeys = 10_000
	keyLong = 255
)

// keys remembers which run an Idempotency-Key brought about. A key belongs to its caller and route. Runs carry what is
// to be remembered, so that a host that is started anew finds it.
type keys struct {
	now      func() time.Time
	runs     func(context.Context, task.RunQuery) (task.Page[task.Run], error)
	recalled turn

	mu   sync.Mutex
	seen map[string]*keyed
	old  []string // in the order in which they came
}

type keyed struct {
	body string // its digest
	at   time.Time
	done chan struct{} // closed when the first request with the key has its run, or failed
	run  string
}

// turn is something that is done once, and tried again when it failed.
type turn struct {
	mu   sync.Mutex
	done bool
}

func (t *turn) do(f func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return nil
	}
	err := f()
	t.done = err == nil
	return err
}

func newKeys(now func() time.Time, runs func(context.Context, task.RunQuery) (task.Page[task.Run], error)) *keys {
	return &keys{now: now, runs: runs, seen: map[string]*keyed{}}
}

// once returns the run that start brings about. With an Idempotency-Key start is called once for all
// requests with that key; one that failed is forgotten, so that it can be tried again. The run is to carry the mark.
func (k *keys) once(r *request, body []byte, start func(mark string) (string, error)) (string, error) {
	name := r.Header.Get("Idempotency-Key")
	if name == "" {
		return start("")
	}
	if len(name) > keyLong {
		return "", refuse("query_invalid", "the Idempotency-Key has more than %d characters", keyLong).with("use a short random text")
	}
	if err := k.recalled.do(func() error { return k.recall(r.Context()) }); err != nil {
		return "", err
	}
	key := digestText(r.who.Via + "\x00" + r.who.Name + "\x00" + r.Method + " " + r.URL.Path + "\x00" + name)
	digest := digestText(string(bytes.TrimSpace(body)))
	for {
		e, first := k.enter(key, digest)
		if first {
			run, err := start(key + markSign + digest)
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

// markSign stands in a run's mark between the digests of the key and of the body.
const markSign = "."

func digestText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// recall takes up the keys of the runs that an earlier host began, the oldest first.
func (k *keys) recall(ctx context.Context) error {
	q := task.RunQuery{Triggers: []task.Trigger{task.TriggerManual, task.TriggerRetry}, Since: k.now().Add(-keyTime), Limit: maxLimit}
	var marked []task.Run
	for more := true; more && len(marked) < maxKeys; {
		page, err := k.runs(ctx, q)
		if err != nil {
			return fmt.Errorf("look for runs with a key: %w", err)
		}
		for _, run := range page.Items {
			if run.Key != "" {
				marked = append(marked, run)
			}
		}
		q.Cursor, more = page.Next, page.Next != ""
	}
	slices.SortFunc(marked, func(x, y task.Run) int { return x.Queued.Compare(y.Queued) })
	ended := make(chan struct{})
	close(ended)
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, run := range marked {
		key, body, _ := strings.Cut(run.Key, markSign)
		k.seen[key] = &keyed{body: body, at: run.Queued, done: ended, run: run.ID}
		k.old = append(k.old, key)
	}
	return nil
}

// enter returns the entry of a key and whether it is new; nil when it belongs to another body.
func (k *keys) enter(key, body string) (*keyed, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.forget()
	if e, ok := k.seen[key]; ok {
		if e.body != body {
			return nil, false
		}
		return e, false
	}
	e := &keyed{body: body, at: k.now(), done: make(chan struct{})}
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
