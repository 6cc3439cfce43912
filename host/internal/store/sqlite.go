package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
)

// CodeUnavailable is the code of the refusal to acknowledge anything while the disk takes no writes.
const CodeUnavailable = "store_unavailable"

// SQLite is the durable Store: one database file, and beside it what its engine needs. What was
// acknowledged (Commit, WriteQueues, SaveOverrides, SetCheckpoint) is on the disk. Everything else is written
// in the same transactions, in order, without anybody waiting for it; a host that is killed loses the last
// few milliseconds of that. What is live is kept in memory as well; history is not. Make one with Open.
//
// While the disk takes no writes nothing is acknowledged, Ready says why, what nobody waits for is
// held back up to a bound, and the store recovers by itself.
type SQLite struct {
	opts     Options
	log      hclog.Logger
	path     string
	tune     tuning
	statuses statuses
	told     atomic.Uint64 // changes of published values
	read     *sql.DB
	kinds    *kinds
	acked    *ackedMark
	answers  answers

	wake   chan struct{} // something is to be written
	hurry  chan struct{} // somebody waits for it
	enough int           // how many must wait until hurry is signalled; the lock guards it
	quit   chan struct{} // closed by Close
	done   chan struct{} // closed when the writer has ended
	final  error         // of the writer's end; read after done

	lastEvent atomic.Uint64 // the newest that was handed out
	baseEvent uint64        // before the first of this life

	mu         sync.Mutex // guards everything below, for short moments only
	seq        uint64     // place of the newest record: microseconds, never less than the clock's
	eventSeq   uint64
	messageSeq uint64                      // place of the newest message or dead letter
	bounds     map[string]task.DeadLetters // by queue
	dead       map[string]int              // dead letters by queue
	version    uint64                      // of the last checkpoint value that was written; never given out twice
	live       map[string]*item[task.Run]
	liveAll    ledger[task.Run]
	tasks      map[string]*past
	published  map[string]map[string]task.Published
	pending    *batch // collects
	inflight   *batch // is being written; nil when none is
	fence      error  // why nothing can be written
	scarce     error  // why nothing is acknowledged that needs room
	lost       gap
	closed     bool
	sweepAt    time.Time

	over map[string]bool // of the writer alone: tasks that have a little more history than they may
}

var _ Store = (*SQLite)(nil)

// past is what is kept in memory of one task.
type past struct {
	keep    *task.Keep
	live    ledger[task.Run]
	memory  task.Memory // without its lists
	written taskRow     // what is on the disk of it
	removed time.Time   // when its status was removed
}

// tuning holds what tests want otherwise.
type tuning struct {
	busy    time.Duration // how long another process's lock is waited for
	pace    time.Duration // between transactions that nobody waits for
	room    time.Duration // between looks at how much of the disk is free
	retry   time.Duration // between tries while nothing can be written, at first
	backlog int           // records that are held back at most
	many    int           // of search
	look    int           // of search
}

var usual = tuning{busy: 5 * time.Second, pace: 20 * time.Millisecond, room: time.Second, retry: 200 * time.Millisecond, backlog: 20_000, many: 24, look: 2000}

// Open opens the store in the file, and makes it if it is not there. It refuses a file that is damaged, that is
// not a store, or that a newer version has written; the message names the file and what to do.
func Open(path string, o Options) (*SQLite, error) { return open(path, o, usual) }

func open(path string, o Options, t tuning) (_ *SQLite, err error) {
	if o.KeepBytes <= 0 {
		o.KeepBytes = 10 << 30 // it is on the disk
	}
	o = o.withDefaults()
	s := &SQLite{
		opts: o, log: o.Log, path: path, tune: t,
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		live: map[string]*item[task.Run]{}, tasks: map[string]*past{}, published: map[string]map[string]task.Published{},
		kinds: newKinds(), pending: newBatch(0), bounds: map[string]task.DeadLetters{}, dead: map[string]int{},
		over: map[string]bool{},
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("open the store %s: %w", path, explain(err))
		}
	}()
	if s.acked, err = openAcked(path); err != nil {
		return nil, err
	}
	w, err := s.openWriter(context.Background(), true)
	if err != nil {
		s.acked.close()
		return nil, err
	}
	s.read = openDB(path, "_query_only=1&_pragma=cache_size(-2000)", t.busy)
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	if err = s.recover(context.Background(), w); err != nil {
		w.close()
		s.read.Close()
		s.acked.close()
		return nil, err
	}
	s.signal(s.wake) // to look after what is over its bounds
	s.lookForRoom()
	go s.run(w)
	return s, nil
}

// readers is how many connections read beside the writer.
const readers = 4

// recover loads what is kept in memory.
func (s *SQLite) recover(ctx context.Context, w *writer) error {
	if err := s.kinds.load(ctx, w.conn); err != nil {
		return err
	}
	if err := w.conn.QueryRowContext(ctx, `SELECT number FROM meta WHERE name = 'version'`).Scan(&s.version); err != nil {
		return fmt.Errorf("read the last version: %w", err)
	}
	newest := func(table, column string) (n uint64, err error) {
		err = w.conn.QueryRowContext(ctx, `SELECT COALESCE(MAX(`+column+`), 0) FROM `+table).Scan(&n)
		return n, err
	}
	for _, table := range []string{"runs", "slots", "live"} {
		n, err := newest(table, "seq")
		if err != nil {
			return fmt.Errorf("read the newest of the table %s: %w", table, err)
		}
		s.seq = max(s.seq, n)
	}
	last, err := newest("events", "last_seq")
	if err != nil {
		return fmt.Errorf("read the newest event: %w", err)
	}
	// What was handed out and not written is never given out again.
	s.baseEvent = max(last, uint64(s.opts.Now().UnixMicro()))
	s.eventSeq = s.baseEvent
	s.lastEvent.Store(s.baseEvent)
	if err := s.recoverTasks(ctx, w); err != nil {
		return err
	}
	if err := s.recoverQueues(ctx, w); err != nil {
		return err
	}
	return s.recoverLive(ctx, w)
}

func (s *SQLite) recoverTasks(ctx context.Context, w *writer) error {
	err := each(ctx, w.conn, `SELECT task, record FROM tasks`, nil, func(rows *sql.Rows) error {
		var name string
		var record []byte
		if err := rows.Scan(&name, &record); err != nil {
			return err
		}
		row, err := decode[taskRow](record)
		if err != nil {
			return fmt.Errorf("table tasks, task %q: %w", name, err)
		}
		h := s.past(name)
		h.memory, h.removed, h.written = row.memory(), row.Removed, row
		return nil
	})
	if err != nil {
		return err
	}
	err = each(ctx, w.conn, `SELECT task, record FROM overrides`, nil, func(rows *sql.Rows) error {
		var name string
		var record []byte
		if err := rows.Scan(&name, &record); err != nil {
			return err
		}
		o, err := decode[task.Overrides](record)
		if err != nil {
			return fmt.Errorf("table overrides, task %q: %w", name, err)
		}
		s.past(name).memory.Overrides = o
		return nil
	})
	if err != nil {
		return err
	}
	return each(ctx, w.conn, `SELECT task, name, record FROM published`, nil, func(rows *sql.Rows) error {
		var name, key string
		var record []byte
		if err := rows.Scan(&name, &key, &record); err != nil {
			return err
		}
		p, err := decode[task.Published](record)
		if err != nil {
			return fmt.Errorf("table published, task %q, %q: %w", name, key, err)
		}
		put(s.published, name, key, p)
		return nil
	})
}

func (s *SQLite) recoverLive(ctx context.Context, w *writer) error {
	return each(ctx, w.conn, `SELECT seq, record FROM live ORDER BY seq`, nil, func(rows *sql.Rows) error {
		var seq uint64
		var record []byte
		if err := rows.Scan(&seq, &record); err != nil {
			return err
		}
		r, err := decode[task.Run](record)
		if err != nil {
			return fmt.Errorf("table live, record %d: %w", seq, err)
		}
		s.addLive(&item[task.Run]{seq: seq, value: &r})
		return nil
	})
}

func (s *SQLite) addLive(it *item[task.Run]) {
	s.live[it.value.ID] = it
	s.liveAll.add(it)
	s.past(it.value.Task).live.add(it)
}

func (s *SQLite) dropLive(it *item[task.Run]) {
	it.gone = true
	delete(s.live, it.value.ID)
	s.liveAll.dropped()
	s.past(it.value.Task).live.dropped()
}

// past returns the task's entry, made if need be. The lock is held.
func (s *SQLite) past(name string) *past {
	h := s.tasks[name]
	if h == nil {
		h = &past{}
		s.tasks[name] = h
	}
	return h
}

// place gives out the next place in history: not before the clock's, nor before at. The lock is held.
func (s *SQLite) place(at time.Time) uint64 {
	s.seq = max(s.seq+1, micros(s.opts.Now()), micros(at))
	return s.seq
}

// micros is 0 for a time before 1970, the zero time included.
func micros(t time.Time) uint64 { return uint64(max(0, t.UnixMicro())) }

// Ready says why nothing can be acknowledged; nil is ready.
func (s *SQLite) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.fence, s.scarce)
}

// Flush returns when everything that was saved before is on the disk and its events have been told. It fails while
// nothing can be written, and when ctx ends.
func (s *SQLite) Flush(ctx context.Context) error {
	return s.do(ctx, &op{do: func(context.Context, *tx) error { return nil }, small: true}, nil)
}

// Close writes what is held back, and ends. What is saved after it is not kept. It may be called again.
func (s *SQLite) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		close(s.quit)
	}
	<-s.done
	s.answers.wait()
	return s.final
}

// SetKeep bounds what is remembered of a task, soon and from now on.
func (s *SQLite) SetKeep(name string, k task.Keep) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.past(name).keep = &k
	s.pending.prune[name] = true
	s.signal(s.wake)
}

// signal never waits.
func (s *SQLite) signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// SaveRun inserts or replaces a run. A run that ends gets its place in the history then; one that is
// resumed is live again.
func (s *SQLite) SaveRun(r task.Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	was := s.live[r.ID]
	if was != nil && was.value.Task != r.Task {
		s.dropLive(was)
		was = nil
	}
	p := &savedRun{run: &r, ended: r.State == task.RunEnded}
	switch earlier := s.onTheWay(r.ID); {
	case p.ended && was != nil:
		s.dropLive(was)
		p.seq, p.fresh = s.place(r.Queued), true
	case p.ended && earlier != nil && earlier.ended:
		p.seq, p.fresh = earlier.seq, earlier.fresh
	case p.ended:
		p.seq = s.place(r.Queued)
	case was != nil:
		was.value = &r
		p.seq = was.seq
	default:
		p.seq = s.place(time.Time{})
		s.addLive(&item[task.Run]{seq: p.seq, value: &r})
	}
	s.pending.putRun(p)
	h := s.past(r.Task)
	if r.Trigger == task.TriggerSlot {
		raise(&h.memory.LastSlot, r.Slot)
	}
	if p.ended {
		raise(&h.memory.LastEnd, r.Ended)
	}
	s.pending.tasks[r.Task] = true
	s.bound()
	s.signal(s.wake)
}

// SaveSlot inserts or replaces a record; one that grows keeps its place.
func (s *SQLite) SaveSlot(r task.SlotRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	p := &savedSlot{record: &r}
	if earlier := s.pending.slots[r.ID]; earlier != nil {
		p.seq = earlier.seq
	} else if s.inflight != nil && s.inflight.slots[r.ID] != nil {
		p.seq = s.inflight.slots[r.ID].seq
	} else {
		p.seq = s.place(time.Time{})
	}
	s.pending.slots[r.ID] = p
	raise(&s.past(r.Task).memory.LastSlot, r.Last)
	s.pending.tasks[r.Task] = true
	s.bound()
	s.signal(s.wake)
}

// SaveStatus replaces the snapshot of the task.
func (s *SQLite) SaveStatus(st task.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	h := s.past(st.Task)
	h.removed = time.Time{}
	h.memory = remember(h.memory, st)
	s.statuses.save(&st)
	s.pending.tasks[st.Task] = true
	s.signal(s.wake)
}

// RemoveStatus forgets the snapshot; history, checkpoints and published values stay for 30 days.
func (s *SQLite) RemoveStatus(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.past(name).removed = s.opts.Now()
	s.statuses.remove(name)
	s.pending.tasks[name] = true
	s.signal(s.wake)
}

// Status is the newest snapshot of a task.
func (s *SQLite) Status(name string) (task.Status, bool) { return s.statuses.one(name) }

// Statuses are the snapshots of all tasks, sorted by name. The list is shared: it must not be changed.
func (s *SQLite) Statuses() []task.Status { return s.statuses.all() }

// Version rises with every change of what Status, Statuses and State say.
func (s *SQLite) Version() uint64 { return s.statuses.changes.Load() + s.told.Load() }

// Event gives e its sequence and writes it; the feed gets it then.
func (s *SQLite) Event(e task.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.event(e)
}

func (s *SQLite) event(e task.Event) {
	if s.closed {
		return
	}
	if e.At.IsZero() {
		e.At = s.opts.Now()
	}
	s.eventSeq++
	e.Seq = s.eventSeq
	s.pending.events = append(s.pending.events, e)
	s.signal(s.wake)
}

// Publish replaces a published value and tells the feed. A value over a limit is not taken: who
// hands it in asks CheckValue first.
func (s *SQLite) Publish(name, key string, value json.RawMessage, at time.Time) {
	if CheckValue(key, value) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.published[name][key]; s.closed || !there && len(s.published[name]) >= MaxKeys {
		return
	}
	put(s.published, name, key, task.Published{Value: value, At: at})
	s.told.Add(1)
	s.pending.published[valueKey{name, key}] = true
	s.event(task.Event{At: at, Topic: "state", Kind: "published", Task: name, Text: key})
}
