package store

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// kind is what records of history share that lists are filtered by. Records of a kind are found by their
// place in one index; a filter becomes a set of kinds.
type kind struct {
	id    int64
	key   kindKey
	rows  int64
	bytes int64
}

// kindKey tells kinds apart. Level is how long the runs took, so that a list by time of queueing,
// which is ordered by the time of the end, knows how far to look.
type kindKey struct {
	table   string // runs or slots
	task    string
	outcome task.Outcome
	trigger task.Trigger
	level   int
}

// levels are upper bounds on the time from queueing to the end; the last level has none.
var levels = []time.Duration{
	time.Second, 10 * time.Second, time.Minute, 10 * time.Minute, time.Hour, 10 * time.Hour, 100 * time.Hour,
}

// forever is over every distance between two places.
const forever = uint64(1) << 62

func levelOf(seq, queued uint64) int {
	took := time.Duration(min(seq-queued, uint64(1000*time.Hour/time.Microsecond))) * time.Microsecond
	for i, most := range levels {
		if took < most {
			return i
		}
	}
	return len(levels)
}

// span is how far a record of the kind can stand above the place of its queueing.
func (k kindKey) span() uint64 {
	if k.level == len(levels) {
		return forever
	}
	return uint64(levels[k.level].Microseconds())
}

func (k kindKey) class() class { return classOf(k.outcome) }

func runKind(r *task.Run, seq uint64) kindKey {
	return kindKey{"runs", r.Task, r.Outcome, r.Trigger, levelOf(seq, micros(r.Queued))}
}

func slotKind(r *task.SlotRecord) kindKey { return kindKey{table: "slots", task: r.Task} }

// kinds holds all of them. The writer alone changes them, with the transaction that their records are in.
type kinds struct {
	mu     sync.RWMutex
	byKey  map[kindKey]*kind
	byID   map[int64]*kind
	byTask map[string]map[*kind]bool
	total  map[string]kind // by table: rows and bytes in all
	newest int64
}

func newKinds() *kinds {
	return &kinds{byKey: map[kindKey]*kind{}, byID: map[int64]*kind{}, byTask: map[string]map[*kind]bool{}, total: map[string]kind{}}
}

func (ks *kinds) load(ctx context.Context, conn *sql.Conn) error {
	return each(ctx, conn, `SELECT id, part, task, outcome, cause, level, row_count, byte_count FROM kinds`, nil, func(rows *sql.Rows) error {
		k := &kind{}
		if err := rows.Scan(&k.id, &k.key.table, &k.key.task, &k.key.outcome, &k.key.trigger, &k.key.level, &k.rows, &k.bytes); err != nil {
			return err
		}
		if k.key.level < 0 || k.key.level > len(levels) {
			return fmt.Errorf("table kinds, %d: level %d: %w", k.id, k.key.level, errDamaged)
		}
		ks.put(k)
		return nil
	})
}

// put adds or replaces a kind. The lock is held, or nobody else is there yet.
func (ks *kinds) put(k *kind) {
	ks.drop(k.id)
	ks.byKey[k.key], ks.byID[k.id] = k, k
	if ks.byTask[k.key.task] == nil {
		ks.byTask[k.key.task] = map[*kind]bool{}
	}
	ks.byTask[k.key.task][k] = true
	t := ks.total[k.key.table]
	t.rows, t.bytes = t.rows+k.rows, t.bytes+k.bytes
	ks.total[k.key.table] = t
	ks.newest = max(ks.newest, k.id)
}

func (ks *kinds) drop(id int64) {
	was := ks.byID[id]
	if was == nil {
		return
	}
	delete(ks.byKey, was.key)
	delete(ks.byID, id)
	delete(ks.byTask[was.key.task], was)
	if len(ks.byTask[was.key.task]) == 0 {
		delete(ks.byTask, was.key.task)
	}
	t := ks.total[was.key.table]
	t.rows, t.bytes = t.rows-was.rows, t.bytes-was.bytes
	ks.total[was.key.table] = t
}

// find returns a kind by its key; a new one when there is none, not yet added.
func (ks *kinds) find(key kindKey) kind {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	if k := ks.byKey[key]; k != nil {
		return *k
	}
	return kind{key: key}
}

// ofTask returns copies of a task's kinds that match.
func (ks *kinds) ofTask(name string, match func(kindKey) bool) (found []kind) {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	for k := range ks.byTask[name] {
		if match(k.key) {
			found = append(found, *k)
		}
	}
	return found
}

// ofAll returns copies of the kinds of all tasks that match.
func (ks *kinds) ofAll(match func(kindKey) bool) (found []kind) {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	for key, k := range ks.byKey {
		if match(key) {
			found = append(found, *k)
		}
	}
	return found
}

func (ks *kinds) inAll(table string) (rows, bytes int64) {
	ks.mu.RLock()
	defer ks.mu.RUnlock()
	return ks.total[table].rows, ks.total[table].bytes
}
