package store

import (
	"context"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// queueWrite is a write on its way to the disk.
type queueWrite struct {
	*task.QueueWrite
	rows       []messageRow // of Put
	graves     uint64       // place of the first of Bury
	at         time.Time
	duplicates []bool // of Put
}

// WriteQueues applies w in the next transaction. It does not wait: w.Done is called when w is on the disk or was
// refused. While the disk takes no writes, and while there is too little room for a write that needs some, that is
// at once.
func (s *SQLite) WriteQueues(w *task.QueueWrite) {
	q := &queueWrite{QueueWrite: w, at: s.opts.Now()}
	o := &op{
		do:    func(ctx context.Context, t *tx) error { return s.writeQueues(ctx, t, q) },
		after: q.tell,
		told:  w.Done,
		small: !grows(w),
		waits: w.Waiting,
	}
	if o.told == nil {
		o.told = func(error) {}
	}
	for i := range w.Put {
		if p := &w.Put[i]; p.RememberFor > 0 {
			o.ids = append(o.ids, idKey{p.Message.Queue, p.Message.ID})
		}
	}
	err := q.encode()
	if err == nil {
		err = s.submit(o, func() error {
			if commits(w) {
				if err := s.ending(w.Run); err != nil {
					return err
				}
			}
			s.placeWrite(q)
			return nil
		})
	}
	if err != nil {
		s.answers.add(answer{o.told, err})
	}
}

// encode makes the rows, as far as that can be done without the lock.
func (q *queueWrite) encode() error {
	if err := checkOps(q.Run, q.Ops); err != nil {
		return err
	}
	q.rows = make([]messageRow, len(q.Put))
	for i, p := range q.Put {
		record, err := encode(storeMessage(p.Message))
		if err != nil {
			return err
		}
		q.rows[i] = messageRow{queue: p.Message.Queue, record: record, body: seal(p.Message.Body)}
	}
	return nil
}

// placeWrite gives out the places of what w adds. The lock is held.
func (s *SQLite) placeWrite(q *queueWrite) {
	for i := range q.rows {
		q.rows[i].seq = s.placeMessage(q.at)
		bind(q.rows[i].record, q.rows[i].seq)
	}
	for i := range q.Bury {
		if place := s.placeMessage(q.at); i == 0 {
			q.graves = place
		}
	}
}

// placeMessage gives out the next place of a message or a dead letter: not before the clock's. The lock is held.
func (s *SQLite) placeMessage(now time.Time) uint64 {
	s.messageSeq = max(s.messageSeq+1, micros(now))
	return s.messageSeq
}

// tell lets the caller know what became of its messages.
func (q *queueWrite) tell() {
	for i := range q.Put {
		p := &q.Put[i]
		if p.Duplicate = q.duplicates != nil && q.duplicates[i]; !p.Duplicate {
			p.Message.Seq = q.rows[i].seq
		}
	}
}

// writeQueues refuses before it writes anything.
func (s *SQLite) writeQueues(ctx context.Context, t *tx, q *queueWrite) error {
	fresh, duplicates, err := judgeIDs(q.Put, q.at, t.remembered)
	if err != nil {
		return err
	}
	graves, err := t.graves(ctx, q)
	if err != nil {
		return err
	}
	if commits(q.QueueWrite) {
		if err := s.notEnded(ctx, t, q.Run); err != nil {
			return err
		}
	}
	if len(q.Ops) > 0 {
		if err := s.saveOps(ctx, t, q.Task, q.Run, q.Ops, q.at); err != nil {
			return err
		}
	}
	q.duplicates = duplicates
	c := &t.queues
	for i, r := range q.rows {
		if duplicates != nil && duplicates[i] {
			continue
		}
		c.highest = r.seq
		c.put = append(c.put, r)
		if tried := triesOf(q.Put[i].Message); tried != (storedTries{}) {
			if c.update[r.seq], err = encodeAt(tried, r.seq); err != nil {
				return err
			}
		}
	}
	for k, r := range fresh {
		c.known[k], c.fresh[k] = r, true
	}
	for _, u := range q.Update {
		if c.update[u.Seq], err = encodeAt(storeTries(u), u.Seq); err != nil {
			return err
		}
	}
	gone := append(q.Dropped(func(i int) bool { return duplicates != nil && duplicates[i] }), q.Delete...)
	for _, seq := range gone {
		delete(c.update, seq)
	}
	c.remove = append(c.remove, gone...)
	c.exhume = append(c.exhume, q.Exhume...)
	for _, g := range graves {
		if err := t.bury(ctx, g); err != nil {
			return err
		}
	}
	return nil
}
