package store

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// queues holds messages, dead letters and the ids that are remembered.
type queues struct {
	answers  answers
	place    uint64 // of the newest message or dead letter
	messages map[uint64]*task.Message
	dead     map[string][]*task.DeadLetter // by queue, in the order in which they died
	ids      map[idKey]remembered
	bounds   map[string]task.DeadLetters
}

func newQueues(base uint64) queues {
	return queues{
		place: base, messages: map[uint64]*task.Message{}, dead: map[string][]*task.DeadLetter{},
		ids: map[idKey]remembered{}, bounds: map[string]task.DeadLetters{},
	}
}

// WriteQueues applies w at once; w.Done is called soon.
func (m *Memory) WriteQueues(w *task.QueueWrite) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.writeQueues(w, m.opts.Now())
	if w.Done != nil {
		m.queues.answers.add(answer{w.Done, err}) // under the lock: in order
	}
}

func (m *Memory) writeQueues(w *task.QueueWrite, now time.Time) error {
	if err := checkOps(w.Run, w.Ops); err != nil {
		return err
	}
	q := &m.queues
	fresh, duplicates, err := judgeIDs(w.Put, now, func(k idKey) remembered { return q.ids[k] })
	if err != nil {
		return err
	}
	if commits(w) {
		if it := m.runs[w.Run]; it != nil && it.value.State == task.RunEnded {
			return runEnded(w.Run)
		}
	}
	if len(w.Ops) > 0 {
		if err := m.values.commit(w.Task, w.Run, w.Ops, now); err != nil {
			return err
		}
	}
	maps.Copy(q.ids, fresh)
	for i := range w.Put {
		if w.Put[i].Duplicate = duplicates != nil && duplicates[i]; !w.Put[i].Duplicate {
			q.put(w.Put[i].Message, now)
		}
	}
	for _, u := range w.Update {
		q.update(u)
	}
	for _, seq := range slices.Concat(w.Delete, w.Dropped(func(i int) bool { return w.Put[i].Duplicate })) {
		delete(q.messages, seq)
	}
	for _, seq := range w.Exhume {
		q.exhume(seq)
	}
	for _, b := range w.Bury {
		q.bury(b, now)
	}
	return nil
}

func (q *queues) next(now time.Time) uint64 {
	q.place = max(q.place+1, micros(now))
	return q.place
}

func (q *queues) put(m *task.Message, now time.Time) {
	m.Seq = q.next(now)
	own := *m
	own.Size = len(m.Body)
	own.Body = slices.Clone(m.Body)
	q.messages[m.Seq] = &own
}

func (q *queues) update(u task.MessageUpdate) {
	if m := q.messages[u.Seq]; m != nil {
		m.Attempts, m.Crashes, m.NotBefore, m.LastError = u.Attempts, u.Crashes, u.NotBefore, u.LastError
	}
}

func (q *queues) bury(b task.Burial, now time.Time) {
	m := q.messages[b.Seq]
	if m == nil {
		return
	}
	q.update(b.MessageUpdate)
	delete(q.messages, b.Seq)
	m.Seq = q.next(now)
	q.dead[m.Queue] = append(q.dead[m.Queue], &task.DeadLetter{Message: *m, Reason: b.Reason, Died: b.At})
	q.forget(m.Queue, now)
}

func (q *queues) exhume(seq uint64) {
	for name, letters := range q.dead {
		if i, there := findDead(letters, seq); there {
			q.keep(name, slices.Delete(letters, i, i+1))
			return
		}
	}
}

// findDead returns where a place is, or would be.
func findDead(letters []*task.DeadLetter, seq uint64) (int, bool) {
	return slices.BinarySearchFunc(letters, seq, func(l *task.DeadLetter, seq uint64) int { return cmp.Compare(l.Seq, seq) })
}

func (q *queues) keep(name string, letters []*task.DeadLetter) {
	if q.dead[name] = letters; len(letters) == 0 {
		delete(q.dead, name)
	}
}

// forget keeps a queue's dead letters within their bounds.
func (q *queues) forget(name string, now time.Time) {
	b, letters := q.bounds[name], q.dead[name]
	if b.Max > 0 && len(letters) > b.Max {
		letters = slices.Delete(letters, 0, len(letters)-b.Max)
	}
	if b.Age > 0 {
		i, _ := findDead(letters, micros(now.Add(-b.Age)))
		letters = slices.Delete(letters, 0, i)
	}
	q.keep(name, letters)
}

// sweep looks after what is quiet.
func (q *queues) sweep(now time.Time) {
	for name := range q.dead {
		q.forget(name, now)
	}
	maps.DeleteFunc(q.ids, func(_ idKey, r remembered) bool { return !now.Before(r.expires) })
}

// SetQueue bounds what is kept of a queue's dead letters, at once and from now on.
func (m *Memory) SetQueue(name string, d task.DeadLetters) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.queues.bounds[name] = d
	m.queues.forget(name, m.opts.Now())
}

// Backlog calls each with every message that is there, by Seq, without Body.
func (m *Memory) Backlog(ctx context.Context, each func(task.Message) error) error {
	m.mu.Lock()
	all := make([]task.Message, 0, len(m.queues.messages))
	for _, seq := range slices.Sorted(maps.Keys(m.queues.messages)) {
		one := *m.queues.messages[seq]
		one.Body = nil
		all = append(all, one)
	}
	m.mu.Unlock()
	for _, one := range all {
		if err := cmp.Or(ctx.Err(), each(one)); err != nil {
			return err
		}
	}
	return nil
}

// Bodies returns the bodies of messages, in the order of seqs; nil for one that is not there any more.
func (m *Memory) Bodies(_ context.Context, seqs []uint64) ([]json.RawMessage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	bodies := make([]json.RawMessage, len(seqs))
	for i, seq := range seqs {
		if one := m.queues.messages[seq]; one != nil {
			bodies[i] = one.Body
		}
	}
	return bodies, nil
}

// DeadLetters returns dead letters with their bodies, the one that died last first.
func (m *Memory) DeadLetters(ctx context.Context, q task.DeadQuery) (task.Page[task.DeadLetter], error) {
	if err := ctx.Err(); err != nil {
		return task.Page[task.DeadLetter]{}, err
	}
	limit, below, query, err := checkDeadQuery(q)
	if err != nil {
		return task.Page[task.DeadLetter]{}, err
	}
	p := newDeadPage(limit)
	m.mu.Lock()
	defer m.mu.Unlock()
	letters := m.queues.dead[q.Queue]
	i, _ := findDead(letters, below)
	for i--; i >= 0 && !p.full(); i-- {
		if len(q.IDs) == 0 || slices.Contains(q.IDs, letters[i].ID) {
			p.take(letters[i])
		}
	}
	return p.page(query), nil
}

// DeadCounts returns how many dead letters each queue has.
func (m *Memory) DeadCounts(context.Context) (map[string]int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts := make(map[string]int, len(m.queues.dead))
	for name, letters := range m.queues.dead {
		counts[name] = len(letters)
	}
	return counts, nil
}
