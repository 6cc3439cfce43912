package apitest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Queues are queues in memory, with the bounds and the memory for ids of real ones. Nobody consumes by himself:
// see Take and Bury. It is safe for concurrent use.
type Queues struct {
	mu     sync.Mutex
	queues map[string]*memQueue
	seq    uint64
	// Err, when set, is what every write is refused with.
	Err error
}

var (
	_ api.Queues        = (*Queues)(nil)
	_ api.QueuesInOrder = (*Queues)(nil)
)

type memQueue struct {
	task.QueueStatus
	messages []task.Message
	dead     []task.DeadLetter // the newest last
	ids      map[string][sha256.Size]byte
	room     chan struct{} // closed when a message leaves
}

// NewQueues makes queues without messages.
func NewQueues(defs []task.Queue) *Queues {
	q := &Queues{queues: map[string]*memQueue{}}
	for _, d := range defs {
		q.queues[d.Name] = &memQueue{QueueStatus: task.QueueStatus{Queue: d, Declared: true}, ids: map[string][sha256.Size]byte{}, room: make(chan struct{})}
	}
	return q
}

// Queues lists them by name.
func (q *Queues) Queues() []task.QueueStatus {
	q.mu.Lock()
	defer q.mu.Unlock()
	var all []task.QueueStatus
	for _, m := range q.queues {
		all = append(all, m.status())
	}
	slices.SortFunc(all, func(a, b task.QueueStatus) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Queue is one of them.
func (q *Queues) Queue(name string) (task.QueueStatus, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m, ok := q.queues[name]
	if !ok {
		return task.QueueStatus{}, false
	}
	return m.status(), true
}

func (m *memQueue) status() task.QueueStatus {
	s := m.QueueStatus
	s.Messages, s.Ready, s.Dead = len(m.messages), len(m.messages), len(m.dead)
	for _, message := range m.messages {
		s.Bytes += int64(message.Size)
	}
	if len(m.messages) > 0 {
		s.Oldest = m.messages[0].Posted
	}
	return s
}

func unknownQueue(name string) error {
	return &task.Error{Code: task.CodeQueueUnknown, Detail: fmt.Sprintf("there is no queue %q", name), Remedy: "taskhost queue list lists the queues"}
}

// Post keeps the message.
func (q *Queues) Post(ctx context.Context, queue string, n task.NewMessage) (task.Posted, error) {
	for {
		q.mu.Lock()
		p, full, err := q.post(queue, n)
		q.mu.Unlock()
		if full == nil {
			return p, err
		}
		select {
		case <-full:
		case <-ctx.Done():
			return p, err
		}
	}
}

// PostAll posts one after the other.
func (q *Queues) PostAll(ctx context.Context, queue string, ms []task.NewMessage) ([]task.Posted, []error) {
	posted, errs := make([]task.Posted, len(ms)), make([]error, len(ms))
	for i, m := range ms {
		posted[i], errs[i] = q.Post(ctx, queue, m)
	}
	return posted, errs
}

// post posts at once. With full, a message of a blocking queue was refused and may try again when full closes.
func (q *Queues) post(queue string, n task.NewMessage) (p task.Posted, full <-chan struct{}, err error) {
	m, ok := q.queues[queue]
	if !ok {
		return p, nil, unknownQueue(queue)
	}
	if q.Err != nil {
		return p, nil, q.Err
	}
	digest := sha256.Sum256(n.Body)
	if before, known := m.ids[n.ID]; known && n.ID != "" {
		if before != digest {
			return p, nil, &task.Error{Code: task.CodeIDReused, Detail: fmt.Sprintf("the id %q came with another message before", n.ID)}
		}
		m.Duplicate++
		return task.Posted{ID: n.ID, Duplicate: true}, nil, nil
	}
	if len(m.messages) >= m.MaxMessages {
		if m.Overflow != task.OverflowDropOldest {
			m.Rejected++
			err = &task.Error{Code: task.CodeQueueFull, Detail: fmt.Sprintf("queue %q is full: it holds %d messages", queue, len(m.messages)), Remedy: "post again later"}
		}
		switch m.Overflow {
		case task.OverflowReject:
			return p, nil, err
		case task.OverflowBlock:
			return p, m.room, err
		}
		m.Dropped++
		m.messages = m.messages[1:]
	}
	q.seq++
	message := task.Message{Seq: q.seq, Queue: queue, ID: n.ID, Key: n.Key, Body: n.Body, Posted: Epoch, Source: n.Source, Size: len(n.Body)}
	if n.ID == "" {
		message.ID = task.NewID(Epoch)
	} else {
		m.ids[n.ID] = digest
	}
	m.messages = append(m.messages, message)
	m.Posted++
	return task.Posted{ID: message.ID}, nil, nil
}

// Take acknowledges the oldest message.
func (q *Queues) Take(queue string) task.Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.queues[queue]
	first := m.messages[0]
	m.messages = m.messages[1:]
	m.Acked++
	close(m.room)
	m.room = make(chan struct{})
	return first
}

// Bury makes the oldest message a dead letter.
func (q *Queues) Bury(queue, why string) {
	message := q.Take(queue)
	message.Attempts, message.LastError = 5, why
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.queues[queue]
	m.dead = append(m.dead, task.DeadLetter{Message: message, Reason: task.DeadFailed, Died: Epoch})
}

// page is a page of items; a cursor is bound to what it lists.
func page[T any](list string, items []T, limit int, cursor string) (task.Page[T], error) {
	from := 0
	if cursor != "" {
		text, _ := base64.RawURLEncoding.DecodeString(cursor)
		if n, err := fmt.Sscanf(string(text), list+" %d", &from); n != 1 || err != nil || from < 0 {
			return task.Page[T]{}, &task.Error{Code: task.CodeInvalid, Detail: "the cursor does not belong to this list", Remedy: "leave it out"}
		}
	}
	from = min(from, len(items))
	to := min(from+limit, len(items))
	p := task.Page[T]{Items: slices.Clone(items[from:to])}
	if to < len(items) {
		p.Next = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s %d", list, to))
	}
	return p, nil
}

// Peek shows messages.
func (q *Queues) Peek(_ context.Context, queue string, limit int, cursor string) (task.Page[task.Message], error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m, ok := q.queues[queue]
	if !ok {
		return task.Page[task.Message]{}, unknownQueue(queue)
	}
	return page("messages "+queue, m.messages, limit, cursor)
}

// DeadLetters shows dead letters.
func (q *Queues) DeadLetters(_ context.Context, d task.DeadQuery) (task.Page[task.DeadLetter], error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m, ok := q.queues[d.Queue]
	if !ok {
		return task.Page[task.DeadLetter]{}, unknownQueue(d.Queue)
	}
	found := []task.DeadLetter{}
	for _, letter := range slices.Backward(m.dead) {
		if len(d.IDs) == 0 || slices.Contains(d.IDs, letter.ID) {
			found = append(found, letter)
		}
	}
	return page("dead "+d.Queue, found, d.Limit, d.Cursor)
}

// Redrive makes dead letters messages again.
func (q *Queues) Redrive(_ context.Context, queue string, ids []string, by string) ([]string, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m, ok := q.queues[queue]
	if !ok {
		return nil, unknownQueue(queue)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(m.dead, func(d task.DeadLetter) bool { return d.ID == id }) {
			return nil, &task.Error{Code: task.CodeDeadUnknown, Detail: fmt.Sprintf("queue %q has no dead letter %q", queue, id)}
		}
	}
	var moved []string
	for _, d := range slices.Clone(m.dead) {
		if len(ids) > 0 && !slices.Contains(ids, d.ID) {
			continue
		}
		if _, _, err := q.post(queue, task.NewMessage{Key: d.Key, Body: d.Body, Source: by}); err != nil {
			return moved, err
		}
		m.messages[len(m.messages)-1].RedrivenFrom = d.ID
		m.dead = slices.DeleteFunc(m.dead, func(x task.DeadLetter) bool { return x.ID == d.ID })
		moved = append(moved, d.ID)
	}
	return moved, nil
}

// Purge deletes messages or dead letters.
func (q *Queues) Purge(_ context.Context, queue string, dead bool, _ string) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	m, ok := q.queues[queue]
	if !ok {
		return 0, unknownQueue(queue)
	}
	n := len(m.messages)
	if dead {
		n, m.dead = len(m.dead), nil
	} else {
		m.messages = nil
	}
	return n, nil
}

// QueueDefinitions are the queues of the fleet: urls is open to the ingress and loader takes from it; pages holds two
// messages and rejects more, slow holds one and blocks, recent holds two and drops the oldest.
func QueueDefinitions() []task.Queue {
	named := func(name string, most int, overflow task.Overflow) task.Queue {
		return task.Queue{
			Name: name, MaxMessages: most, MaxBytes: 64 << 20, MaxDeliveries: 5, Overflow: overflow, IDsFor: 3600e9,
			Redeliver: task.Redeliver{Backoff: 1e9, MaxBackoff: 60e9}, DeadLetters: task.DeadLetters{Max: 1000, Age: 720 * 3600e9},
		}
	}
	urls := named("urls", 10_000, task.OverflowReject)
	urls.Ingress, urls.Description = true, "pages to fetch"
	return []task.Queue{
		named("pages", 2, task.OverflowReject), named("recent", 2, task.OverflowDropOldest), named("slow", 1, task.OverflowBlock), urls,
	}
}
