package store

import (
	"context"
	"database/sql"
	"fmt"
)

// checkQueues reads every message, dead letter and remembered id.
func checkQueues(ctx context.Context, t *sql.Tx, say func(string, ...any)) error {
	var place uint64
	if err := t.QueryRowContext(ctx, `SELECT number FROM meta WHERE name = 'place'`).Scan(&place); err != nil {
		return fmt.Errorf("table meta: %w", err)
	}
	newest := func(table string, seq uint64) {
		if seq > place {
			say("table %s, record %d: it stands after the last place that was given out, %d", table, seq, place)
		}
	}
	err := each(ctx, t, `SELECT seq, queue, record, tries, body FROM messages`, nil, func(rows *sql.Rows) error {
		var body []byte
		m, err := scanMessage(rows, &body)
		if err == nil {
			newest("messages", m.Seq)
			if body, err = unseal(body); err == nil && len(body) != m.Size {
				err = errRow
			}
			if err != nil {
				err = fmt.Errorf("table messages, body of record %d of queue %q: %w", m.Seq, m.Queue, err)
			}
		}
		return finding(err, say)
	})
	if err != nil {
		return fmt.Errorf("table messages: %w", err)
	}
	err = each(ctx, t, `SELECT seq, queue, id, record, body FROM dead_letters`, nil, func(rows *sql.Rows) error {
		l, err := scanDead(rows)
		if err == nil {
			newest("dead_letters", l.Seq)
		}
		return finding(err, say)
	})
	if err != nil {
		return fmt.Errorf("table dead_letters: %w", err)
	}
	err = each(ctx, t, `SELECT queue, id, expires, record FROM message_ids`, nil, func(rows *sql.Rows) error {
		var k idKey
		var expires int64
		var record []byte
		err := rows.Scan(&k.queue, &k.id, &expires, &record)
		if err == nil {
			if _, err = unsealID(k, expires, record); err != nil {
				err = fmt.Errorf("table message_ids, %q in the queue %q: %w", k.id, k.queue, err)
			}
		}
		return finding(err, say)
	})
	if err != nil {
		return fmt.Errorf("table message_ids: %w", err)
	}
	return nil
}

// finding says what is wrong with one record, and returns the error of reading any.
func finding(err error, say func(string, ...any)) error {
	if isDamage(err) {
		say("%v", err)
		return nil
	}
	return err
}
