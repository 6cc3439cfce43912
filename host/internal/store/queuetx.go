package store

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// queueTx is what a transaction does to messages. What is simple is collected and done in few statements.
type queueTx struct {
	put     []messageRow
	update  map[uint64][]byte // tries
	remove  []uint64
	exhume  []uint64
	known   map[idKey]remembered // ids, as they will be
	fresh   map[idKey]bool       // of them, those that are new
	dead    map[string]int       // by how much the number of dead letters of each queue changes
	highest uint64               // place that was given out
}

// messageRow is a row of the table messages.
type messageRow struct {
	seq    uint64
	queue  string
	record []byte
	body   []byte
}

// place is the highest that was given to a message, with those of this transaction.
func (t *tx) place() uint64 { return max(t.w.place, t.queues.highest) }

// recall reads what is remembered of the ids that ops ask for.
func (t *tx) recall(ctx context.Context, ops []*op) error {
	q := &t.queues
	q.known, q.fresh, q.dead, q.update = map[idKey]remembered{}, map[idKey]bool{}, map[string]int{}, map[uint64][]byte{}
	var ask []any
	for _, o := range ops {
		for _, k := range o.ids {
			ask = append(ask, k.queue, k.id)
		}
	}
	return inChunks(ask, 2, func(ask []any) error {
		stmt, err := t.w.prepare(ctx, `SELECT queue, id, expires, record FROM message_ids WHERE (queue, id) IN (VALUES `+marks(len(ask)/2, 2)+`)`)
		if err != nil {
			return err
		}
		rows, err := stmt.QueryContext(ctx, ask...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k idKey
			var expires int64
			var record []byte
			if err := rows.Scan(&k.queue, &k.id, &expires, &record); err != nil {
				return err
			}
			digest, err := unsealID(k, expires, record)
			if err != nil {
				err = damaged(t.file, fmt.Errorf("table message_ids, %q in the queue %q: %w", k.id, k.queue, err))
			}
			q.known[k] = remembered{digest, time.UnixMicro(expires), err}
		}
		return rows.Err()
	})
}

// remembered is what is known of an id that some op asks for.
func (t *tx) remembered(k idKey) remembered { return t.queues.known[k] }

// grave is a message that becomes a dead letter.
type grave struct {
	seq   uint64 // of the message
	place uint64 // of the dead letter
	dead  storedDead
}

// graves looks for the messages that a write buries. One that is not there any more is left out.
func (t *tx) graves(ctx context.Context, q *queueWrite) (all []grave, err error) {
	if len(q.Bury) == 0 {
		return nil, nil
	}
	if err := t.flushRemoved(ctx); err != nil { // what an earlier write took away stays away
		return nil, err
	}
	gone := map[uint64]bool{}
	for _, seq := range q.Delete {
		gone[seq] = true
	}
	for i, b := range q.Bury {
		if gone[b.Seq] {
			continue
		}
		gone[b.Seq] = true
		var record []byte
		found, err := t.get(ctx, `SELECT record FROM messages WHERE seq = ?`, []any{b.Seq}, &record)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		m, err := decodeAt[storedMessage](record, b.Seq)
		if err != nil {
			return nil, damaged(t.file, fmt.Errorf("table messages, record %d: %w", b.Seq, err))
		}
		all = append(all, grave{b.Seq, q.graves + uint64(i), storedDead{m, storeTries(b.MessageUpdate), b.Reason, b.At}})
	}
	return all, nil
}

func (t *tx) bury(ctx context.Context, g grave) error {
	record, err := encodeAt(g.dead, g.place)
	if err != nil {
		return err
	}
	err = t.exec(ctx, `INSERT INTO dead_letters (seq, queue, id, record, body) SELECT ?, ?, ?, ?, body FROM messages WHERE seq = ?`,
		g.place, g.dead.Queue, g.dead.ID, record, g.seq)
	if err != nil {
		return err
	}
	t.queues.remove = append(t.queues.remove, g.seq)
	t.queues.highest = max(t.queues.highest, g.place)
	t.queues.dead[g.dead.Queue]++
	return nil
}

// flushQueues does what was collected.
func (t *tx) flushQueues(ctx context.Context) error {
	q := &t.queues
	args := make([]any, 0, 4*max(len(q.put), len(q.fresh)))
	for _, r := range q.put {
		args = append(args, r.seq, r.queue, r.record, r.body)
	}
	err := inPieces(args, 4, func(n int, args []any) error {
		return t.exec(ctx, `INSERT INTO messages (seq, queue, record, body) VALUES `+marks(n, 4), args...)
	})
	if err != nil {
		return err
	}
	if err := t.flushUpdates(ctx); err != nil {
		return err
	}
	if err := t.flushRemoved(ctx); err != nil {
		return err
	}
	if err := t.flushExhumed(ctx); err != nil {
		return err
	}
	args = args[:0]
	for k := range q.fresh {
		r := q.known[k]
		expires := r.expires.UnixMicro()
		args = append(args, k.queue, k.id, expires, sealID(k, expires, r.digest))
	}
	return inPieces(args, 4, func(n int, args []any) error {
		return t.exec(ctx, `INSERT INTO message_ids (queue, id, expires, record) VALUES `+marks(n, 4)+`
			ON CONFLICT (queue, id) DO UPDATE SET expires = excluded.expires, record = excluded.record`, args...)
	})
}

func (t *tx) flushUpdates(ctx context.Context) error {
	var args []any
	for seq, tries := range t.queues.update {
		args = append(args, seq, tries)
	}
	return inPieces(args, 2, func(n int, args []any) error {
		return t.exec(ctx, `UPDATE messages SET tries = v.column2 FROM (VALUES `+marks(n, 2)+`) AS v WHERE messages.seq = v.column1`, args...)
	})
}

func (t *tx) flushRemoved(ctx context.Context) error {
	args := make([]any, len(t.queues.remove))
	for i, seq := range t.queues.remove {
		args[i] = seq
	}
	t.queues.remove = t.queues.remove[:0]
	return inChunks(args, 1, func(args []any) error {
		return t.exec(ctx, `DELETE FROM messages WHERE seq IN (`+list(len(args))+`)`, args...)
	})
}

// flushExhumed deletes dead letters and counts whose they were.
func (t *tx) flushExhumed(ctx context.Context) error {
	args := make([]any, len(t.queues.exhume))
	for i, seq := range t.queues.exhume {
		args[i] = seq
	}
	return inChunks(args, 1, func(args []any) error { return t.dropDead(ctx, `seq IN (`+list(len(args))+`)`, args...) })
}

// dropDead deletes the dead letters that where selects.
func (t *tx) dropDead(ctx context.Context, where string, args ...any) error {
	stmt, err := t.w.prepare(ctx, `DELETE FROM dead_letters WHERE `+where+` RETURNING queue`)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var queue string
		if err := rows.Scan(&queue); err != nil {
			return err
		}
		t.queues.dead[queue]--
	}
	return rows.Err()
}

// chunk is how many rows go into one statement.
const chunk = 64

// inChunks hands on args, width of them a row, up to chunk rows at a time. The last are repeated until there are 1, 2,
// 4, … of them: so there are few statements, each prepared once. It is for statements that do not mind.
func inChunks(args []any, width int, do func([]any) error) error {
	for len(args) > 0 {
		n := min(len(args), chunk*width)
		some := args[:n:n]
		args = args[n:]
		for rows := n / width; rows&(rows-1) != 0; rows++ {
			some = append(some, some[len(some)-width:]...)
		}
		if err := do(some); err != nil {
			return err
		}
	}
	return nil
}

// inPieces hands on args, width of them a row, in pieces of chunk rows, half as many, and so on: so there are few
// statements, each prepared once.
func inPieces(args []any, width int, do func(n int, args []any) error) error {
	for n := chunk; len(args) > 0; {
		if n*width > len(args) {
			n /= 2
			continue
		}
		if err := do(n, args[:n*width]); err != nil {
			return err
		}
		args = args[n*width:]
	}
	return nil
}

// list is n parameters.
func list(n int) string { return strings.Repeat(", ?", n)[2:] }

// marks are the parameters of n rows.
func marks(n, width int) string { return strings.Repeat(", ("+list(width)+")", n)[2:] }
