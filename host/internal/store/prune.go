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
	s      *SQLite
	t      *tx
	now    time.Time
	until  time.Time        // real time
	doomed map[string][]any // places by table: counted as gone, and not deleted yet
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
	p := &pruner{s: s, t: t, now: s.opts.Now(), until: time.Now().Add(pruneFor), doomed: map[string][]any{}}
	swept, err := p.sweep(ctx, b.prune)
	if err != nil {
		return false, err
	}
	delete(b.prune, "")
	if err := p.touched(ctx, b.prune); err != nil {
		return false, err
	}
	for name := range b.prune {
		if p.late() {
			break
		}
		if done, err := p.task(ctx, name, true); err != nil {
			return false, err
		} else if done {
			delete(b.prune, name)
		}
	}
	if err := p.flush(ctx); err != nil {
		return false, err
	}
	done, err := p.all(ctx, s.opts)
	if !done {
		b.prune[""] = true // no task: the bounds on all are looked at in any case
	}
	if err == nil {
		done, err = p.queues(ctx, s, swept || b.queues, p.now)
		b.queues = !done
	}
	return len(b.prune) > 0 || b.queues, err
}

// touched looks at the tasks whose history the transaction changes. Those for which there is no time are added to later.
func (p *pruner) touched(ctx context.Context, later map[string]bool) error {
	names := map[string]bool{}
	for _, k := range p.t.kinds {
		if !later[k.key.task] {
			names[k.key.task] = true
		}
	}
	for name := range names {
		if p.late() {
			later[name] = true
			continue
		}
		if done, err := p.task(ctx, name, false); err != nil {
			return err
		} else if !done {
			later[name] = true
		}
	}
	return nil
}

// sweep adds all tasks to those that are to be looked at, when it is time, and forgets those that were removed long ago.
func (p *pruner) sweep(ctx context.Context, all map[string]bool) (due bool, err error) {
	s := p.s
	var gone []string
	s.mu.Lock()
	if due = s.sweepDue(); due {
		s.sweepAt = p.now
		for name, h := range s.tasks {
			all[name] = true
			if !h.removed.IsZero() && p.now.Sub(h.removed) >= task.KeepRemoved {
				gone = append(gone, name)
			}
		}
	}
	s.mu.Unlock()
	if !due {
		return false, nil
	}
	for _, name := range gone {
		if err := s.forgetTask(ctx, p.t, name); err != nil {
			return true, err
		}
	}
	for _, k := range p.t.all.ofAll(func(kindKey) bool { return true }) {
		all[k.key.task] = true // also tasks that only history knows
	}
	if err := p.t.dropEmptyKinds(ctx); err != nil {
		return true, err
	}
	return true, s.pruneEvents(ctx, p.t)
}

// tidy has the tasks that have a little more than they may looked at exactly in the next transaction.
func (s *SQLite) tidy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(s.pending.prune, s.over)
	clear(s.over)
}

// keepOf is the bounds of a task. Known is false once everything else of it is forgotten.
func (s *SQLite) keepOf(name string) (keep task.Keep, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.tasks[name]
	if h != nil && h.keep != nil {
		return *h.keep, true
	}
	return s.opts.Keep, h != nil
}

// part is what of a task's history is bounded together.
type part struct {
	most  int // records; 0 is no bound
	match func(kindKey) bool
}

func partsOf(keep task.Keep) [3]part {
	return [3]part{
		{keep.Succeeded, func(k kindKey) bool { return k.table == "runs" && k.class() == classSucceeded }},
		{keep.Failed, func(k kindKey) bool { return k.table == "runs" && k.class() == classFailed }},
		{keep.Slots, func(k kindKey) bool { return k.table == "slots" }},
	}
}

// task forgets the oldest records of a task. Unless it must be exact it begins when there is something to
// do for a few transactions together, and does not look at ages.
func (p *pruner) task(ctx context.Context, name string, exact bool) (done bool, err error) {
	keep, known := p.s.keepOf(name)
	for _, part := range partsOf(keep) {
		of, rows := p.t.part(name, part)
		over := rows - int64(part.most)
		if part.most <= 0 || over <= 0 {
			continue
		}
		if !exact && over <= int64(max(part.most/32, leastOver)) {
			p.s.over[name] = true
			continue
		}
		if done, err := p.oldest(ctx, of, over, forever); !done || err != nil {
			return false, err
		}
	}
	if keep.Age <= 0 || !exact {
		return true, nil
	}
	return p.aged(ctx, name, keep, known)
}

// aged forgets what is too old. The last record of each part stays as long as the task is known: whoever looks after a task that
// runs once a year wants to see how it went.
func (p *pruner) aged(ctx context.Context, name string, keep task.Keep, known bool) (done bool, err error) {
	if err := p.flush(ctx); err != nil {
		return false, err
	}
	for _, part := range partsOf(keep) {
		of, rows := p.t.part(name, part)
		if known {
			rows--
		}
		if done, err := p.oldest(ctx, of, rows, micros(p.now.Add(-keep.Age))); !done || err != nil {
			return false, err
		}
	}
	return true, nil
}

// part returns the task's kinds of a part as they will be, and how many records they have.
func (t *tx) part(name string, p part) (of []kind, rows int64) {
	of = t.ofTask(name, p.match)
	for _, k := range of {
		rows += k.rows
	}
	return of, rows
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
		some := min(n, chunk)
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
		p.doom(victims)
		if n -= int64(len(victims)); n == 0 && !p.many() {
			return true, nil
		}
		if err := p.flush(ctx); err != nil {
			return false, err
		}
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

// doom counts records as gone; the next flush deletes them.
func (p *pruner) doom(victims []victim) {
	for _, v := range victims {
		p.t.uncount(v.of, v.size)
		p.doomed[v.table] = append(p.doomed[v.table], v.seq)
	}
}

// many reports whether what is doomed fills a statement.
func (p *pruner) many() bool {
	for _, places := range p.doomed {
		if len(places) >= chunk {
			return true
		}
	}
	return false
}

// flush deletes what is doomed: of many tasks together, because a statement costs as much as some records.
func (p *pruner) flush(ctx context.Context) error {
	for table, places := range p.doomed {
		if err := p.t.deleteAll(ctx, `DELETE FROM `+table+` WHERE seq IN `, places); err != nil {
			return err
		}
	}
	clear(p.doomed)
	return nil
}

// atOnce is how many records are forgotten between two looks at the time while they are the oldest of all.
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
			victims, err := p.t.victims(ctx, table, `WHERE seq < ?`, min(over, atOnce), forever)
			if err != nil {
				return false, err
			}
			if len(victims) == 0 {
				break // the counts are wrong: Check says so
			}
			p.doom(victims)
			if err := p.flush(ctx); err != nil {
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
