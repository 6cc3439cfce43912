package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// errClosed is what a write after Close gets.
var errClosed = errors.New("the store is closed")

// maxBackoff bounds the time between tries while nothing can be written.
const maxBackoff = 5 * time.Second

// run is the writer: the only goroutine that writes to the file. What collects while a transaction is being
// synced goes into the next one.
func (s *SQLite) run(w *writer) {
	defer close(s.done)
	ctx := context.Background()
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	room := time.NewTicker(cmp.Or(s.tune.room, usual.room))
	defer room.Stop()
	pause := s.tune.retry
	var retry <-chan time.Time // set while nothing can be written
	var tidy <-chan time.Time  // set while tasks have a little more than they may
	var last time.Time
	var before load
	for open := true; open; {
		select {
		case <-s.wake:
			if retry != nil {
				s.tell() // and nothing is written before its time
				continue
			}
			open = s.collect(s.tune.pace-time.Since(last)) && s.gather(before)
		case <-sweep.C:
			s.mu.Lock()
			s.sweepAt = time.Time{}
			s.mu.Unlock()
		case <-room.C:
			s.lookForRoom()
			continue
		case <-tidy:
			tidy = nil
			s.tidy()
		case <-retry:
			pause = min(2*pause, maxBackoff)
		case <-s.quit:
			open = false
		}
		if w, before = s.writeNext(ctx, w); w == nil {
			retry = time.After(pause)
			continue
		}
		retry, pause, last = nil, s.tune.retry, time.Now()
		if tidy == nil && len(s.over) > 0 {
			tidy = time.After(tidyAfter)
		}
	}
	s.end(ctx, w)
}

// collect waits a little, as long as nobody waits for the write. It reports false when the store is to end.
func (s *SQLite) collect(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.hurry:
	case <-s.quit:
		return false
	}
	return true
}

// load is what a transaction carried, and what it left waiting.
type load struct {
	waiting int           // who waited at its end: those it served, and those who had come meanwhile
	took    time.Duration // to write and sync it
}

// maxGather bounds how long the writer waits for more.
const maxGather = 4 * time.Millisecond

// gather waits until as many wait as at the end of the transaction before, but no longer than that one took: they are
// those who write one thing after the other, and are served sooner together than in two halves by turns, because a
// transaction costs much and one more write in it little. It is woken once, by the last of them. Who is alone waits for nobody. It
// reports false when the store is to end.
func (s *SQLite) gather(before load) bool {
	enough := before.waiting
	if enough < 2 {
		return true
	}
	timer := time.NewTimer(min(before.took, maxGather))
	defer timer.Stop()
	defer s.expect(1)
	for s.expect(enough) {
		select {
		case <-s.hurry:
		case <-timer.C:
			return true
		case <-s.quit:
			return false
		}
	}
	return true
}

// expect says how many must wait until the writer is woken; it reports whether somebody waits, and not enough.
func (s *SQLite) expect(enough int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.enough = enough
	return s.pending.waiting > 0 && s.pending.waiting < enough
}

// writeNext writes what has collected, if anything, and says what that was. It returns no writer when that failed: the
// connection is closed then, and the store is behind its fence.
func (s *SQLite) writeNext(ctx context.Context, w *writer) (*writer, load) {
	runtime.Gosched() // whoever was answered just now may have more
	b := s.take()
	if b == nil {
		return w, load{}
	}
	began := time.Now()
	var err error
	if w == nil {
		w, err = s.reopen(ctx)
	}
	more := false
	if err == nil {
		more, err = s.write(ctx, w, b)
	}
	s.opts.Committed(time.Since(began), b.writes(), err)
	if err != nil {
		s.failed(b, err)
		if w != nil {
			w.close()
		}
		return nil, load{}
	}
	now := load{took: time.Since(began)}
	now.waiting = b.waiting + s.wrote(w, b, more)
	if err := w.beginAnew(ctx); err != nil {
		s.log.Debug("the log of the store is not begun anew", "file", w.layout.path, "err", err)
	}
	if err := w.layout.keep(); err != nil {
		s.log.Debug("no room is laid out in the log of the store", "file", w.layout.path, "err", err)
	}
	return w, now
}

// reopen begins anew after a failure.
func (s *SQLite) reopen(ctx context.Context) (*writer, error) {
	w, err := s.openWriter(ctx, false)
	if err != nil {
		return nil, err
	}
	if err := w.settle(ctx); err != nil {
		w.close()
		return nil, fmt.Errorf("settle what was written: %w", err)
	}
	return w, nil
}

// take makes what has collected the batch in flight; nil when there is nothing to do.
func (s *SQLite) take() *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending.empty() && !s.sweepDue() && s.fence == nil {
		return nil
	}
	if s.lost.any() {
		s.recordGap()
	}
	b := s.pending
	s.inflight, s.pending = b, newBatch(len(b.events))
	s.freeze(b)
	return b
}

// freeze keeps what is known of tasks as it is now. What is saved from now on is in the next batch, and so is the
// high-water mark that goes with it: a mark that was ahead of its records would make a host that dies forget them.
func (s *SQLite) freeze(b *batch) {
	b.rows, b.values = map[string]taskRow{}, map[valueKey]task.Published{}
	for name := range b.tasks {
		if h := s.tasks[name]; h != nil && h.row() != h.written {
			b.rows[name] = h.row()
		}
	}
	for k := range b.published {
		if p, there := s.published[k.task][k.key]; there {
			b.values[k] = p
		}
	}
}

// recordGap says as an event what was given up; the event is written like any other.
func (s *SQLite) recordGap() {
	e := task.Event{
		At: s.opts.Now(), Topic: "host", Kind: "gap",
		Text: fmt.Sprintf("the disk did not keep up and records were given up: %d of runs, %d of slots, %d of events", s.lost.runs, s.lost.slots, s.lost.events),
	}
	s.eventSeq++
	e.Seq = s.eventSeq
	s.pending.events = append(s.pending.events, e)
	s.log.Error("the disk did not keep up and records were given up", "runs", s.lost.runs, "slots", s.lost.slots, "events", s.lost.events)
	s.lost = gap{}
}

// wrote tells everybody that b is on the disk, and returns how many more wait.
func (s *SQLite) wrote(w *writer, b *batch, more bool) (waiting int) {
	s.acked.set(w.commits)
	s.mu.Lock()
	s.inflight = nil
	for _, o := range b.ops {
		if o.after != nil && o.refused == nil {
			o.after()
		}
	}
	for name, row := range b.rows {
		if h := s.tasks[name]; h != nil {
			h.written = row
		}
	}
	recovered := s.fence != nil
	s.fence = nil
	if more {
		if len(s.pending.prune) < len(b.prune) {
			s.pending.prune, b.prune = b.prune, s.pending.prune
		}
		maps.Copy(s.pending.prune, b.prune)
		s.pending.queues = s.pending.queues || b.queues
		s.signal(s.wake)
	}
	waiting = s.pending.waiting
	s.mu.Unlock()
	if recovered {
		s.log.Info("the store takes writes again", "file", s.path)
	}
	s.hand(b.events, b.told)
	s.answer(b.ops, nil)
	return waiting
}

// answer tells who waits how it ended.
func (s *SQLite) answer(ops []*op, err error) {
	var told []answer
	for _, o := range ops {
		end := err
		if err == nil {
			end = o.refused
		}
		if o.told != nil {
			told = append(told, answer{o.told, end})
		} else {
			o.done <- end
		}
	}
	s.answers.add(told...)
}

// hand gives events to the feed.
func (s *SQLite) hand(events []task.Event, from int) {
	if len(events) == 0 {
		return
	}
	s.lastEvent.Store(events[len(events)-1].Seq)
	if from < len(events) {
		s.opts.Publish(events[from:])
	}
}

// tell gives to the feed what cannot be written now: people must see what their host does, even then.
func (s *SQLite) tell() {
	s.mu.Lock()
	events, from := s.pending.events, s.pending.told
	s.pending.told = len(events)
	s.mu.Unlock()
	if from < len(events) {
		s.opts.Publish(events[from:])
	}
}

// failed puts up the fence: who waits gets the error, the rest is held back.
func (s *SQLite) failed(b *batch, err error) {
	refusal := &task.Error{
		Code:   CodeUnavailable,
		Detail: fmt.Sprintf("the store %s takes no writes: %v", s.path, explain(err)),
		Remedy: "tasks go on; once the disk takes writes again the store does so by itself",
	}
	s.mu.Lock()
	first := s.fence == nil
	s.fence = refusal
	s.inflight = nil
	untold := b.events[b.told:]
	s.pending.putBefore(b)
	waiting := append(b.ops, s.pending.ops...)
	s.pending.ops, s.pending.waiting = nil, 0
	s.bound()
	s.mu.Unlock()
	if first {
		s.log.Error("the store takes no writes", "file", s.path, "err", explain(err))
	}
	if len(untold) > 0 {
		s.opts.Publish(untold)
	}
	s.answer(waiting, refusal)
	s.tell()
}

// bound gives up the oldest of what is held back when that is too much. The lock is held.
func (s *SQLite) bound() {
	lost := s.pending.shed(s.tune.backlog, maxBacklogBytes, maxBacklogRings*s.opts.Ring)
	s.lost.runs += lost.runs
	s.lost.slots += lost.slots
	s.lost.events += lost.events
}

const (
	maxBacklogBytes = 64 << 20 // of runs that are held back
	// maxBacklogRings is how many times as many events are held back as can be replayed: readers that follow get them all, also when a
	// thousand tasks start in one moment.
	maxBacklogRings = 4
)

// do writes something and waits until it is on the disk.
func (s *SQLite) do(ctx context.Context, o *op, check func() error) error {
	o.done, o.waits = make(chan error, 1), true
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.submit(o, check); err != nil {
		return err
	}
	var err error
	select {
	case err = <-o.done:
		return err
	case <-ctx.Done():
		if o.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-o.done // it is being written: say how that ends
	}
}

// submit adds a write to the next batch, or says why it is refused.
func (s *SQLite) submit(o *op, check func() error) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		err = errClosed
	case s.fence != nil:
		err = s.fence
	case s.scarce != nil && !o.small:
		err = s.scarce
	case check != nil:
		err = check()
	}
	if err == nil {
		s.pending.ops = append(s.pending.ops, o)
		s.signal(s.wake)
		if o.waits {
			if s.pending.waiting++; s.pending.waiting >= s.enough {
				s.signal(s.hurry)
			}
		}
	}
	return err
}

// end writes the rest and closes everything. History over its bounds waits for the next opening.
func (s *SQLite) end(ctx context.Context, w *writer) {
	if w != nil {
		w, _ = s.writeNext(ctx, w) // what came while the last one was written; nothing comes any more
	}
	if w == nil {
		s.mu.Lock()
		s.final = fmt.Errorf("close the store: what was held back is not on the disk: %w", s.fence)
		s.mu.Unlock()
	} else {
		if err := w.settle(ctx); err != nil {
			s.log.Debug("the log of the store stays for its next opening", "err", err)
		}
		w.close()
	}
	s.read.Close()
	s.acked.close()
}
