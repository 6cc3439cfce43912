package access

import (
	"cmp"
	"context"
	"crypto/subtle"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	maxTokens = 1000
	usedGrain = time.Minute      // how coarse the last use is
	usedDelay = 10 * time.Minute // until it is written
	forgotten = 30 * 24 * time.Hour
)

// Options of a Book.
type Options struct {
	Now func() time.Time // time.Now
	Log hclog.Logger
}

// Book holds the tokens of a host, in memory and in a file. It is safe for concurrent use.
type Book struct {
	path string
	now  func() time.Time
	log  hclog.Logger

	writing sync.Mutex // who changes the file, or closes the book
	owed    []string   // names that were revoked and are still in the file; under writing
	closed  bool       // under writing
	noted   atomic.Bool
	later   *time.Timer // writes the uses that were noted

	mu   sync.RWMutex
	held map[prefix][]*holding // by the begin of their digests
}

// prefix finds the candidates; whether one matches is compared in constant time.
type prefix [8]byte

func prefixOf(d hexDigest) prefix { return prefix(d[:]) }

type holding struct {
	token  Token
	digest hexDigest
	used   atomic.Int64 // unix seconds
	ended  context.Context
	end    context.CancelFunc
}

// Open reads the book at path; without a file it is empty. It refuses a file that is damaged or that
// others may read: a host that does not know whom it lets in must not start.
func Open(path string, o Options) (*Book, error) {
	entries, err := read(path)
	if err != nil {
		return nil, err
	}
	b := &Book{path: path, now: o.Now, log: o.Log, held: map[prefix][]*holding{}}
	if b.now == nil {
		b.now = time.Now
	}
	if b.log == nil {
		b.log = hclog.NewNullLogger()
	}
	for _, e := range entries {
		b.add(e)
	}
	b.later = time.AfterFunc(usedDelay, b.writeUses)
	b.later.Stop()
	return b, nil
}

// add takes an entry in. The lock is held, or nobody else has b yet.
func (b *Book) add(e entry) {
	h := &holding{token: e.Token, digest: e.Digest}
	if !e.Used.IsZero() {
		h.used.Store(e.Used.Unix())
	}
	h.ended, h.end = context.WithCancel(context.Background())
	b.held[prefixOf(e.Digest)] = append(b.held[prefixOf(e.Digest)], h)
}

// Find returns the token with this text, or ErrUnknown or ErrExpired.
func (b *Book) Find(text string) (Held, error) {
	digest := digestOf(text)
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, h := range b.held[prefixOf(digest)] {
		if subtle.ConstantTimeCompare(h.digest[:], digest[:]) != 1 {
			continue
		}
		now := b.now()
		if h.token.expired(now) {
			return Held{Token: h.token}, ErrExpired
		}
		b.note(h, now)
		return Held{Token: h.token, Ended: h.ended}, nil
	}
	return Held{}, ErrUnknown
}

// note keeps in mind that a token was used. The file learns of it later: no request waits for the disk.
func (b *Book) note(h *holding, now time.Time) {
	at := now.Truncate(usedGrain).Unix()
	before := h.used.Load()
	if at > before && h.used.CompareAndSwap(before, at) && b.noted.CompareAndSwap(false, true) {
		b.later.Reset(usedDelay)
	}
}

// List returns all tokens, by name.
func (b *Book) List() []Token {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := make([]Token, 0, len(b.held))
	for _, e := range b.entries() {
		out = append(out, e.Token)
	}
	return out
}

// entries are what the file should hold, by name. A lock is held.
func (b *Book) entries() []entry {
	var all []entry
	for _, hs := range b.held {
		for _, h := range hs {
			e := entry{Token: h.token, Digest: h.digest}
			e.Scope = e.Scope.clone()
			if at := h.used.Load(); at > 0 {
				e.Used = time.Unix(at, 0).UTC()
			}
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(x, y entry) int { return cmp.Compare(x.Name, y.Name) })
	return all
}

// Create makes a token and returns it with its text, which is shown this once. It is in the file when
// Create returns.
func (b *Book) Create(t Token) (Token, string, error) {
	b.writing.Lock()
	defer b.writing.Unlock()
	now := b.now()
	if err := t.check(now); err != nil {
		return Token{}, "", err
	}
	t.ID, t.Created, t.Used, t.Scope = task.NewID(now), now.UTC(), time.Time{}, t.Scope.clone()
	text := NewText()
	all := b.remaining(now)
	switch {
	case slices.ContainsFunc(all, func(e entry) bool { return e.Name == t.Name }):
		return Token{}, "", ErrTaken
	case len(all) >= maxTokens:
		return Token{}, "", ErrFull
	}
	made := entry{Token: t, Digest: digestOf(text)}
	if err := b.save(append(all, made)); err != nil {
		return Token{}, "", err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(made)
	return t, text, nil
}

// remaining are the entries without those that expired long ago, which it forgets. Writing is held.
func (b *Book) remaining(now time.Time) []entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drop(func(t Token) bool { return !t.Expires.IsZero() && now.Sub(t.Expires) > forgotten })
	return b.entries()
}

// drop takes tokens out and ends what they are used for. The lock is held.
func (b *Book) drop(gone func(Token) bool) (n int) {
	for p, hs := range b.held {
		kept := slices.DeleteFunc(hs, func(h *holding) bool {
			if !gone(h.token) {
				return false
			}
			h.end()
			n++
			return true
		})
		if b.held[p] = kept; len(kept) == 0 {
			delete(b.held, p)
		}
	}
	return n
}

// Revoke ends a token at once, also for what goes on with it, and takes it out of the file. When the
// file cannot be written the token is refused all the same, until the host is started anew; revoking it
// again tries again.
func (b *Book) Revoke(name string) error {
	b.writing.Lock()
	defer b.writing.Unlock()
	b.mu.Lock()
	n := b.drop(func(t Token) bool { return t.Name == name })
	all := b.entries()
	b.mu.Unlock()
	if n == 0 && !slices.Contains(b.owed, name) {
		return ErrUnknown
	}
	if err := b.save(all); err != nil {
		b.owed = append(b.owed, name)
		return fmt.Errorf("the token %q is refused from now on, but would be valid again after a restart: %w; revoke it once more when the disk takes writes", name, err)
	}
	return nil
}

// save writes the file. Writing is held.
func (b *Book) save(all []entry) error {
	err := write(b.path, all)
	if err == nil {
		b.owed = nil
	}
	return err
}

// writeUses writes when tokens were used last.
func (b *Book) writeUses() {
	b.writing.Lock()
	defer b.writing.Unlock()
	if b.closed {
		return
	}
	if err := b.saveUses(); err != nil {
		b.log.Warn("cannot write when tokens were used last", "err", err)
	}
}

func (b *Book) saveUses() error {
	b.noted.Store(false)
	b.mu.RLock()
	all := b.entries()
	b.mu.RUnlock()
	return b.save(all)
}

// Close writes what is not in the file yet.
func (b *Book) Close() error {
	b.writing.Lock()
	defer b.writing.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	b.later.Stop()
	if !b.noted.Load() && len(b.owed) == 0 {
		return nil
	}
	return b.saveUses()
}
