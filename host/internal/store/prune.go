package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	// leastOver is how many records a task may have over its bound for a moment: to forget eight costs little more than to forget one.
	leastOver = 8
	// tidyAfter is how long that moment is.
	tidyAfter = 3 * time.Second
)

// pruneFor is how long one transaction may spend on forgetting.
const pruneFor = 4 * time.Millisecond

// pruner forgets history in small pieces that ride in transactions.
type pruner struct {
	t     *tx
	until time.Time       // real time
	over  map[string]bool // tasks that have a little more than they may
}

func (p *pruner) late() bool { return time.Now().After(p.until) }

// sweepDue reports whether it is time to look after the tasks that are quiet. The lock is held.
func (s *SQLite) sweepDue() bool {
	since := s.opts.Now().Sub(s.sweepAt)
	return !s.closed && (since >= sweepEvery || since < 0)
}

// prune forgets what is over the bounds of the tasks that b touches, of all together, and, when it is time, of
// the others. More says that time ran out before the end: then it goes on with the tasks that b.prune names.
func (s *SQLite) prune(ctx context.Context, t *tx, b *batch) (more bool, err error) {
	p := &pruner{t: t, until: time.Now().Add(pruneFor), over: s.over}
	exact := map[string]bool{}
	for name := range b.prune {
		exact[name] = true
	}
	touched := map[string]bool{}
	for _, k := range t.kinds {
		touched[k.key.task] = true
	}
	s.mu.Lock()
	sweep := s.sweepDue()
	now := s.opts.Now()
	var gone []string
	keeps := map[string]task.Keep{}
	if sweep {
		s.sweepAt = now
		for name, h := range s.tasks {
			exact[name] = true
			if !h.removed.IsZero() && now.Sub(h.removed) >= keepRemoved {
				gone = append(gone, name)
			}
		}
	}
	for name := range touched {
		keeps[name] = s.keepOf(name)
	}
	for name := range exact {
		keeps[name] = s.keepOf(name)
	}
	s.mu.Unlock()
	b.prune = map[string]bool{}
	for _, name := range gone {
		if err := s.forgetTask(ctx, t, name); err != nil {
			return false, err
		}
	}
	if sweep {
		for _, k := range t.all.ofAll(func(kindKey) bool { return true }) {
			exact[k.key.task] = true // tasks that only history knows
			keeps[k.key.task] = cmp.Or(keeps[k.key.task], s.opts.Keep)
		}
		if err := t.dropEmptyKinds(ctx); err != nil {
			return false, err
		}
		if err := s.pruneEvents(ctx, t); err != nil {
			return false, err
		}
	}
	for name, keep := range keeps {
		if p.late() {
			b.prune[name] = true
			continue
		}
		if done, err := p.task(ctx, name, keep, exact[name], now); err != nil {
			return false, err
		} else if !done {
			b.prune[name] = true
		}
	}
	done, err := p.all(ctx, s.opts)
	if !done {
		b.prune[""] = true // no task: the bounds on all are looked at in any case
	}
	if err == nil {
		done, err = p.queues(ctx, s, sweep || b.queues, now)
		b.queues = !done
	}
	return len(b.prune) > 0 || b.queues, err
}

// tidy has the tasks that have a little more than they may looked at exactly in the next transaction.
func (s *SQLite) tidy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.pending.prune, s.over)
	clear(s.over)
}

func (s *SQLite) keepOf(name string) task.Keep {
	if h := s.tasks[name]; h != nil && h.keep != nil {
		return *h.keep
	}
	return s.opts.Keep
}

// task forgets the oldest records of a task. Unless it must be exact it begins when there is something to
// do for a few transactions together.
func (p *pruner) task(ctx context.Context, name string, keep task.Keep, exact bool, now time.Time) (done bool, err error) {
	parts := []struct {
		most  int
		match func(kindKey) bool
	}{
		{keep.Succeeded, func(k kindKey) bool { return k.table == "runs" && k.class() == classSucceeded }},
		{keep.Failed, func(k kindKey) bool { return k.table == "runs" && k.class() == classFailed }},
		{keep.Slots, func(k kindKey) bool { return k.table == "slots" }},
	}
	for _, part := range parts {
		if part.most <= 0 {
			continue
		}
		of := p.t.ofTask(name, part.match)
		over := -int64(part.most)
		for _, k := range of {
			over += k.rows
		}
		if over <= 0 {
			continue
		}
		if !exact && over <= int64(max(part.most/32, leastOver)) {
			p.over[name] = true
			continue
		}
		if done, err := p.oldest(ctx, of, over, forever); !done || err != nil {
			return false, err
		}
	}
	if keep.Age <= 0 || !exact {
		return true, nil
	}
	return p.oldest(ctx, p.t.ofTask(name, func(kindKey) bool { return true }), 1<<62, micros(now.Add(-keep.Age)))
}

// ofTask returns the task's kinds as they will be.
func (t *tx) ofTask(name string, match func(kindKey) bool) (found []kind) {
	for _, k := range t.all.ofTask(name, match) {
		if now, changed := t.kinds[k.id]; changed {
			k = now
		}
		found = append(found, k)
	}
	for _, k := range t.kinds {
		if k.key.task == name && match(k.key) && !slices.ContainsFunc(found, func(f kind) bool { return f.id == k.id }) {
			found = append(found, k)
		}
	}
	return found
}

// victim is a record that is to be forgotten.
type victim struct {
	table    string
	seq      uint64
	of, size int64
}

// oldest forgets the n oldest records of the kinds that stand below a place. It reports false when the time
// ran out first.
func (p *pruner) oldest(ctx context.Context, of []kind, n int64, below uint64) (done bool, err error) {
	for n > 0 {
		if p.late() {
			return false, nil
		}
		some := min(n, 64)
		var victims []victim
		for _, k := range of {
			found, err := p.t.victims(ctx, k.key.table, `WHERE kind = ? AND seq < ?`, some, k.id, below)
			if err != nil {
				return false, err
			}
			victims = append(victims, found...)
		}
		slices.SortFunc(victims, func(a, b victim) int { return cmp.Compare(a.seq, b.seq) })
		victims = victims[:min(int64(len(victims)), some)]
		if len(victims) == 0 {
			return true, nil
		}
		if done, err := p.forget(ctx, victims); !done || err != nil {
			return false, err
		}
		n -= int64(len(victims))
	}
	return true, nil
}

func (t *tx) victims(ctx context.Context, table, where string, n int64, args ...any) (found []victim, err error) {
	stmt, err := t.w.prepare(ctx, `SELECT seq, kind, size FROM `+table+` `+where+` ORDER BY seq LIMIT 0 + ?`)
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(ctx, append(args, n)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		v := victim{table: table}
		if err := rows.Scan(&v.seq, &v.of, &v.size); err != nil {
			return nil, err
		}
		found = append(found, v)
	}
	return found, rows.Err()
}

// forget takes records out of history, some at a time. It reports false when the time ran out first.
func (p *pruner) forget(ctx context.Context, victims []victim) (done bool, err error) {
	for first := true; len(victims) > 0; first = false {
		if !first && p.late() {
			return false, nil
		}
		some := victims[:min(atOnce, len(victims))]
		victims = victims[len(some):]
		places := map[string][]any{}
		for _, v := range some {
			p.t.uncount(v.of, v.size)
			places[v.table] = append(places[v.table], v.seq)
		}
		for table, seqs := range places {
			if err := p.t.deleteAll(ctx, `DELETE FROM `+table+` WHERE seq IN `, seqs); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// atOnce is how many records one statement forgets, so that the time is looked at between.
const atOnce = 16

// all keeps the bounds on everything together.
func (p *pruner) all(ctx context.Context, o Options) (done bool, err error) {
	for _, table := range []string{"runs", "slots"} {
		for {
			rows, bytes := p.t.inAll(table)
			over := rows - int64(o.KeepTotal)
			if over <= 0 && table == "runs" && bytes > o.KeepBytes && rows > 1 {
				over = 1
			}
			if over <= 0 {
				break
			}
			if p.late() {
				return false, nil
			}
			victims, err := p.t.victims(ctx, table, `WHERE seq < ?`, min(over, 64), forever)
			if err != nil {
				return false, err
			}
			if len(victims) == 0 {
				break // the counts are wrong: Check says so
			}
			if done, err := p.forget(ctx, victims); !done || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// inAll is how much there will be of a table.
func (t *tx) inAll(table string) (rows, bytes int64) {
	rows, bytes = t.all.inAll(table)
	for id, k := range t.kinds {
		if k.key.table != table {
			continue
		}
		t.all.mu.RLock()
		was := t.all.byID[id]
		t.all.mu.RUnlock()
		if was != nil {
			rows, bytes = rows-was.rows, bytes-was.bytes
		}
		rows, bytes = rows+k.rows, bytes+k.bytes
	}
	return rows, bytes
}

// dropEmptyKinds forgets kinds without records; those of this transaction stay.
func (t *tx) dropEmptyKinds(ctx context.Context) error {
	for _, k := range t.all.ofAll(func(kindKey) bool { return true }) {
		if _, used := t.kinds[k.id]; used || k.rows > 0 {
			continue
		}
		if err := t.exec(ctx, `DELETE FROM kinds WHERE id = ?`, k.id); err != nil {
			return err
		}
		t.dropped = append(t.dropped, k.id)
	}
	return nil
}

// pruneEvents keeps a little more than can be replayed.
func (s *SQLite) pruneEvents(ctx context.Context, t *tx) error {
	stmt, err := t.w.prepare(ctx, `SELECT last_seq, count FROM events ORDER BY last_seq DESC`)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx)
	if err != nil {
		return err
	}
	defer rows.Close()
	n, below := 0, uint64(0)
	for rows.Next() {
		var seq uint64
		var count int
		if err := rows.Scan(&seq, &count); err != nil {
			return err
		}
		if n > s.opts.Ring {
			below = seq
			break
		}
		n += count
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	return t.exec(ctx, `DELETE FROM events WHERE last_seq <= ?`, below)
}

// forgetTask forgets what was kept of a task that was removed long ago.
func (s *SQLite) forgetTask(ctx context.Context, t *tx, name string) error {
	for _, table := range []string{"checkpoints", "published", "overrides", "tasks"} {
		if err := t.exec(ctx, `DELETE FROM `+table+` WHERE task = ?`, name); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.published, name)
	s.told.Add(1)
	h := s.tasks[name]
	if h == nil || h.live.count() > 0 {
		return nil
	}
	delete(s.tasks, name)
	return nil
}
