package hosttest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// QueueStore is a task.QueueStore in memory. Set its exported fields before it is used.
type QueueStore struct {
	Time   time.Duration                  // that a commit takes; writes that come meanwhile share the next one
	Refuse func(w *task.QueueWrite) error // looks at every write; its error refuses it
	Now    func() time.Time               // nil: time.Now
	Broken uint64                         // seq of a message whose body cannot be read

	mu       sync.Mutex
	fence    error
	pending  []*task.QueueWrite
	at       bool // a goroutine is writing
	seq      uint64
	messages map[uint64]task.Message
	dead     map[uint64]task.DeadLetter
	ids      map[string]usedID // by queue and id
	bounds   map[string]task.DeadLetters
	ops      []task.Op
	commits  int
	writes   int
	reads    int
}

type usedID struct {
	digest []byte
	until  time.Time
}

var _ task.QueueStore = (*QueueStore)(nil)

// Unavailable is the refusal of a store that takes no writes.
var Unavailable = &task.Error{Code: "store_unavailable", Detail: "the store takes no writes", Remedy: "it goes on by itself"}

// SetFence makes all writes fail with err, until it is set to nil.
func (s *QueueStore) SetFence(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fence = err
}

// WriteQueues applies w. See task.QueueStore. The goroutine that does so ends when there is nothing to write.
func (s *QueueStore) WriteQueues(w *task.QueueWrite) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, w)
	if !s.at {
		s.at = true
		go s.write()
	}
}

func (s *QueueStore) write() {
	for {
		s.mu.Lock()
		batch := s.pending
		s.pending = nil
		s.at = len(batch) > 0
		s.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		sleep(context.Background(), s.Time)
		s.mu.Lock()
		errs := make([]error, len(batch))
		for i, w := range batch {
			errs[i] = s.apply(w)
		}
		s.commits++
		s.mu.Unlock()
		for i, w := range batch {
			w.Done(errs[i])
		}
	}
}

// apply applies one write or refuses it.
func (s *QueueStore) apply(w *task.QueueWrite) error {
	if s.fence != nil {
		return s.fence
	}
	if s.Refuse != nil {
		if err := s.Refuse(w); err != nil {
			return err
		}
	}
	s.begin()
	if err := s.checkIDs(w); err != nil {
		return err
	}
	s.writes++
	s.ops = append(s.ops, w.Ops...)
	for _, seq := range slices.Concat(w.Delete, w.Dropped(func(i int) bool { return w.Put[i].Duplicate })) {
		delete(s.messages, seq)
	}
	for _, u := range w.Update {
		if m, ok := s.messages[u.Seq]; ok {
			s.messages[u.Seq] = updated(m, u)
		}
	}
	for _, b := range w.Bury {
		if m, ok := s.messages[b.Seq]; ok {
			delete(s.messages, b.Seq)
			s.dead[b.Seq] = task.DeadLetter{Message: updated(m, b.MessageUpdate), Reason: b.Reason, Died: b.At}
			s.forgetDead(m.Queue)
		}
	}
	for _, seq := range w.Exhume {
		delete(s.dead, seq)
	}
	for i := range w.Put {
		s.add(&w.Put[i])
	}
	return nil
}

func (s *QueueStore) begin() {
	if s.messages == nil {
		s.messages, s.dead = map[uint64]task.Message{}, map[uint64]task.DeadLetter{}
		s.ids, s.bounds = map[string]usedID{}, map[string]task.DeadLetters{}
	}
}

func updated(m task.Message, u task.MessageUpdate) task.Message {
	m.Attempts, m.Crashes, m.NotBefore, m.LastError = u.Attempts, u.Crashes, u.NotBefore, u.LastError
	return m
}

func (s *QueueStore) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

// checkIDs refuses a write with an id that was used for another body, and marks duplicates.
func (s *QueueStore) checkIDs(w *task.QueueWrite) error {
	within := map[string][]byte{}
	for i := range w.Put {
		p := &w.Put[i]
		p.Duplicate = false
		if p.RememberFor <= 0 {
			continue
		}
		name := p.Message.Queue + "/" + p.Message.ID
		digest, used := within[name]
		if old, ok := s.ids[name]; ok && s.now().Before(old.until) {
			digest, used = old.digest, true
		}
		if used && !bytes.Equal(digest, p.Digest) {
			return &task.Error{Code: task.CodeIDReused, Detail: fmt.Sprintf("the id %q was used for another message", p.Message.ID)}
		}
		p.Duplicate = used
		within[name] = p.Digest
	}
	return nil
}

func (s *QueueStore) add(p *task.Put) {
	if p.Duplicate {
		return
	}
	s.seq++
	p.Message.Seq = s.seq
	s.messages[s.seq] = *p.Message
	if p.RememberFor > 0 {
		s.ids[p.Message.Queue+"/"+p.Message.ID] = usedID{p.Digest, s.now().Add(p.RememberFor)}
	}
}

// forgetDead keeps the bound of a queue's dead letters.
func (s *QueueStore) forgetDead(queue string) {
	if most := s.bounds[queue].Max; most > 0 {
		seqs := s.deadOf(queue)
		for _, seq := range seqs[:max(0, len(seqs)-most)] {
			delete(s.dead, seq)
		}
	}
}

// deadOf returns the dead letters of a queue, in their order.
func (s *QueueStore) deadOf(queue string) (seqs []uint64) {
	for _, seq := range slices.Sorted(maps.Keys(s.dead)) {
		if s.dead[seq].Queue == queue {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// Backlog lists all messages. See task.QueueStore.
func (s *QueueStore) Backlog(ctx context.Context, each func(task.Message) error) error {
	for _, m := range s.Messages("") {
		m.Body = nil
		if err := cmp.Or(ctx.Err(), each(m)); err != nil {
			return err
		}
	}
	return nil
}

// Messages returns what is there of a queue, or of all, by seq.
func (s *QueueStore) Messages(queue string) (all []task.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seq := range slices.Sorted(maps.Keys(s.messages)) {
		if m := s.messages[seq]; queue == "" || m.Queue == queue {
			all = append(all, m)
		}
	}
	return all
}

// Bodies returns bodies. See task.QueueStore.
func (s *QueueStore) Bodies(ctx context.Context, seqs []uint64) ([]json.RawMessage, error) {
	if err := sleep(ctx, s.Time); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	out := make([]json.RawMessage, len(seqs))
	var err error
	for i, seq := range seqs {
		if seq == s.Broken {
			err = fmt.Errorf("the body of message %d is damaged", seq)
			continue
		}
		out[i] = s.messages[seq].Body
	}
	return out, err
}

// DeadLetters lists dead letters. See task.QueueStore.
func (s *QueueStore) DeadLetters(_ context.Context, q task.DeadQuery) (page task.Page[task.DeadLetter], err error) {
	before := uint64(1<<64 - 1)
	if q.Cursor != "" {
		if before, err = strconv.ParseUint(q.Cursor, 10, 64); err != nil {
			return page, &task.Error{Code: task.CodeInvalid, Detail: "the cursor does not belong to this list"}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seq := range slices.Backward(s.deadOf(q.Queue)) {
		d := s.dead[seq]
		if seq >= before || len(q.IDs) > 0 && !slices.Contains(q.IDs, d.ID) {
			continue
		}
		if len(page.Items) == cmp.Or(q.Limit, 100) {
			page.Next = strconv.FormatUint(page.Items[len(page.Items)-1].Seq, 10)
			break
		}
		page.Items = append(page.Items, d)
	}
	return page, nil
}

// DeadCounts counts dead letters. See task.QueueStore.
func (s *QueueStore) DeadCounts(context.Context) (map[string]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for _, d := range s.dead {
		out[d.Queue]++
	}
	return out, nil
}

// SetQueue bounds dead letters. See task.QueueStore.
func (s *QueueStore) SetQueue(name string, d task.DeadLetters) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin()
	s.bounds[name] = d
}

// Ops returns what was saved and deleted, in order.
func (s *QueueStore) Ops() []task.Op {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ops)
}

// Counts returns how many commits and writes there were, and how often bodies were read.
func (s *QueueStore) Counts() (commits, writes, reads int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits, s.writes, s.reads
}
