package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// maxDeadIDs bounds the ids that one query of dead letters may name.
const maxDeadIDs = 500

// maxDeadBytes bounds the bodies in one page of dead letters: it ends earlier then.
const maxDeadBytes = 8 << 20

// idKey names an id that a producer gave.
type idKey struct{ queue, id string }

// remembered is what is known of an id: until when, and what body it was used for.
type remembered struct {
	digest  []byte
	expires time.Time
	damage  error // nothing is decided by it then
}

// judgeID decides on a message whose id may have been used before.
func judgeID(p *task.Put, was remembered, now time.Time) (duplicate bool, refusal error) {
	if was.damage != nil {
		return false, was.damage
	}
	if !now.Before(was.expires) {
		return false, nil
	}
	if bytes.Equal(was.digest, p.Digest) {
		return true, nil
	}
	return false, &task.Error{
		Code:   task.CodeIDReused,
		Detail: fmt.Sprintf("the id %q was given to another message of the queue %q", p.Message.ID, p.Message.Queue),
		Remedy: "give each message an id of its own",
	}
}

// judgeIDs decides on all messages of one write. Known tells what is remembered of an id, the zero value is nothing; what the write itself adds to that
// is returned, and which of its messages are there already.
func judgeIDs(put []task.Put, now time.Time, known func(idKey) remembered) (fresh map[idKey]remembered, duplicates []bool, err error) {
	for i := range put {
		p := &put[i]
		if p.RememberFor <= 0 {
			continue
		}
		key := idKey{p.Message.Queue, p.Message.ID}
		was, there := fresh[key]
		if !there {
			was = known(key)
		}
		duplicate, err := judgeID(p, was, now)
		if err != nil {
			return nil, nil, err
		}
		if duplicate {
			if duplicates == nil {
				duplicates = make([]bool, len(put))
			}
			duplicates[i] = true
			continue
		}
		if fresh == nil {
			fresh = map[idKey]remembered{}
		}
		fresh[key] = remembered{digest: p.Digest, expires: now.Add(p.RememberFor)}
	}
	return fresh, duplicates, nil
}

// sealID makes the record of a remembered id: the digest, and a checksum over everything in its row.
func sealID(key idKey, expires int64, digest []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(digest)), sumID(key, expires, digest)), digest...)
}

func unsealID(key idKey, expires int64, record []byte) ([]byte, error) {
	if len(record) < 4 || binary.BigEndian.Uint32(record) != sumID(key, expires, record[4:]) {
		return nil, errDamaged
	}
	return record[4:], nil
}

func sumID(key idKey, expires int64, digest []byte) uint32 {
	text := binary.BigEndian.AppendUint64(append(append([]byte(key.queue), 0), key.id...), uint64(expires))
	return crc32.Checksum(append(text, digest...), sums)
}

// checkOps refuses operations that no commit may hold.
func checkOps(run string, ops []task.Op) error {
	for i, o := range ops {
		if err := checkOp(run, o); err != nil {
			return fmt.Errorf("operation %d of %d: %w", i+1, len(ops), err)
		}
	}
	return nil
}

// commits says whether a write is a commit of author code, which a run that has ended may not make any more.
// Settling messages is none: what was handled stays handled.
func commits(w *task.QueueWrite) bool {
	return !w.Settles && (len(w.Ops) > 0 || w.Run != "" && len(w.Put) > 0)
}

// grows says whether a write needs room; one that only removes makes some.
func grows(w *task.QueueWrite) bool { return len(w.Ops)+len(w.Put)+len(w.Update)+len(w.Bury) > 0 }

// checkDeadQuery returns the limit of a page and the place that it begins below.
func checkDeadQuery(q task.DeadQuery) (limit int, below uint64, query uint64, err error) {
	if limit, err = pageLimit(q.Limit); err != nil {
		return 0, 0, 0, err
	}
	if len(q.IDs) > maxDeadIDs {
		return 0, 0, 0, &task.Error{Code: task.CodeInvalid, Detail: fmt.Sprintf("%d ids are asked for at once", len(q.IDs)), Remedy: fmt.Sprintf("ask for up to %d", maxDeadIDs)}
	}
	cursor := q.Cursor
	q.Limit, q.Cursor = 0, ""
	query = fingerprint(q)
	from, err := parseCursor(cursor, query)
	return limit, min(from.seq, forever), query, err
}

// deadPage collects a page of dead letters that is bounded in bytes too.
type deadPage struct {
	pager[task.DeadLetter]
	bytes int
}

func newDeadPage(limit int) *deadPage {
	return &deadPage{pager: pager[task.DeadLetter]{limit: limit, match: func(*task.DeadLetter) bool { return true }}}
}

func (p *deadPage) take(l *task.DeadLetter) {
	if p.bytes += len(l.Body); p.bytes > maxDeadBytes && len(p.items) > 0 {
		p.limit = len(p.items)
	}
	p.pager.take(place{phaseEnded, l.Seq}, l)
}
