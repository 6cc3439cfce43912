package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/taskhost/taskhost/host/internal/task"
)

// recoverQueues loads what is kept in memory of queues.
func (s *SQLite) recoverQueues(ctx context.Context, w *writer) error {
	s.messageSeq = w.place
	return each(ctx, w.conn, `SELECT queue, COUNT(*) FROM dead_letters GROUP BY queue`, nil, func(rows *sql.Rows) error {
		var queue string
		var n int
		err := rows.Scan(&queue, &n)
		s.dead[queue] = n
		return err
	})
}

// DeadCounts returns how many dead letters each queue has.
func (s *SQLite) DeadCounts(ctx context.Context) (map[string]int, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.dead), nil
}

// keepDead takes over how the numbers of dead letters have changed.
func (s *SQLite) keepDead(changes map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for queue, by := range changes {
		if s.dead[queue] += by; s.dead[queue] == 0 {
			delete(s.dead, queue)
		}
	}
}

// backlogPiece is how many messages are read at once.
const backlogPiece = 1000

// Backlog calls each with every message that is there, by Seq, without Body. No read is under way meanwhile.
func (s *SQLite) Backlog(ctx context.Context, each func(task.Message) error) error {
	piece := make([]task.Message, 0, backlogPiece)
	for after := uint64(0); ; {
		piece = piece[:0]
		if err := s.backlog(ctx, after, &piece); err != nil {
			return s.fail("the messages", err)
		}
		for _, m := range piece {
			if err := each(m); err != nil {
				return err
			}
			after = m.Seq
		}
		if len(piece) < backlogPiece {
			return nil
		}
	}
}

func (s *SQLite) backlog(ctx context.Context, after uint64, piece *[]task.Message) error {
	return each(ctx, s.read, `SELECT seq, queue, record, tries FROM messages WHERE seq > ? ORDER BY seq LIMIT 0 + ?`, []any{after, backlogPiece}, func(rows *sql.Rows) error {
		m, err := scanMessage(rows)
		*piece = append(*piece, m)
		return err
	})
}

// scanMessage reads a message without its body from a row of seq, queue, record and tries, and what follows.
func scanMessage(rows *sql.Rows, more ...any) (task.Message, error) {
	var seq uint64
	var queue string
	var record, tries []byte
	if err := rows.Scan(append([]any{&seq, &queue, &record, &tries}, more...)...); err != nil {
		return task.Message{}, err
	}
	m, err := decodeAt[storedMessage](record, seq)
	if err == nil && m.Queue != queue {
		err = errRow
	}
	var t storedTries
	if err == nil && tries != nil {
		t, err = decodeAt[storedTries](tries, seq)
	}
	if err != nil {
		return task.Message{}, fmt.Errorf("table messages, record %d of queue %q: %w", seq, queue, err)
	}
	return m.message(seq, t), nil
}

// Bodies returns the bodies of messages, in the order of seqs; nil for one that is not there any more. When some are
// damaged it returns the others, and an error that names one.
func (s *SQLite) Bodies(ctx context.Context, seqs []uint64) ([]json.RawMessage, error) {
	places := make(map[uint64]int, len(seqs))
	args := make([]any, len(seqs))
	for i, seq := range seqs {
		places[seq], args[i] = i, seq
	}
	bodies := make([]json.RawMessage, len(seqs))
	var damage error
	err := inChunks(args, 1, func(args []any) error {
		return each(ctx, s.read, `SELECT seq, body FROM messages WHERE seq IN (`+list(len(args))+`)`, args, func(rows *sql.Rows) error {
			var seq uint64
			var body []byte
			if err := rows.Scan(&seq, &body); err != nil {
				return err
			}
			b, err := unseal(body)
			if err != nil {
				damage = cmp.Or(damage, fmt.Errorf("table messages, body of record %d: %w", seq, err))
				return nil
			}
			bodies[places[seq]] = b
			return nil
		})
	})
	if err != nil {
		return nil, s.fail("the bodies of messages", err)
	}
	for i, seq := range seqs {
		bodies[i] = bodies[places[seq]] // one that was asked for twice
	}
	return bodies, s.fail("the bodies of messages", damage)
}

// DeadLetters returns dead letters with their bodies, the one that died last first. A page can be shorter than the
// limit when its bodies are large.
func (s *SQLite) DeadLetters(ctx context.Context, q task.DeadQuery) (task.Page[task.DeadLetter], error) {
	limit, below, query, err := checkDeadQuery(q)
	if err != nil {
		return task.Page[task.DeadLetter]{}, err
	}
	p := newDeadPage(limit)
	where, args := `queue = ? AND seq < ?`, []any{q.Queue, below}
	if len(q.IDs) > 0 {
		where += ` AND id IN (` + list(len(q.IDs)) + `)`
		for _, id := range q.IDs {
			args = append(args, id)
		}
	}
	rows, err := s.read.QueryContext(ctx, `SELECT seq, queue, id, record, body FROM dead_letters WHERE `+where+` ORDER BY seq DESC LIMIT 0 + ?`, append(args, limit+1)...)
	if err == nil {
		defer rows.Close()
		for err == nil && !p.full() && rows.Next() {
			var l task.DeadLetter
			if l, err = scanDead(rows); err == nil {
				p.take(&l)
			}
		}
		if err == nil {
			err = rows.Err()
		}
	}
	if err != nil {
		return task.Page[task.DeadLetter]{}, s.fail(fmt.Sprintf("the dead letters of the queue %q", q.Queue), err)
	}
	return p.page(query), nil
}

// scanDead reads a dead letter from a row of seq, queue, id, record and body.
func scanDead(rows *sql.Rows) (task.DeadLetter, error) {
	var seq uint64
	var queue, id string
	var record, body []byte
	if err := rows.Scan(&seq, &queue, &id, &record, &body); err != nil {
		return task.DeadLetter{}, err
	}
	d, err := decodeAt[storedDead](record, seq)
	if err == nil && (d.Queue != queue || d.ID != id) {
		err = errRow
	}
	if err == nil {
		body, err = unseal(body)
	}
	if err == nil && len(body) != d.Size {
		err = errRow
	}
	if err != nil {
		return task.DeadLetter{}, fmt.Errorf("table dead_letters, record %d of queue %q: %w", seq, queue, err)
	}
	return d.letter(seq, body), nil
}
