package runner

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	// What a plugin may have sent and not yet been answered. More than that sends no
	// plugin that waits for its answers.
	maxReports = 256
	maxBytes   = 16 << 20

	maxKeys  = 100      // that a task publishes
	maxValue = 16 << 10 // bytes of one of them
)

// inbox takes what reaches a process's goroutine: commands of the supervisor, reports of
// the plugin. Taking never blocks, so that neither is held up by the other. What a plugin
// may say as often as it likes (progress, beats, state, readiness) is kept in its newest form
// only; what has an order waits in a queue that is bounded.
type inbox struct {
	wake chan struct{} // holds one token while something is there
	lost chan struct{} // closed when the session has ended

	mu       sync.Mutex
	commands []any // task.RunStart, task.Answer, moving
	reports  []any // entered, ended, commit, load, extend
	bytes    int   // in reports
	finished *finished
	signs    signs
	refused  string // why a published value was dropped; once per process
	told     bool   // refused was set before
	flooded  bool
	lostErr  error
	closed   bool
	admit    func(key string) bool
	flood    func()    // the queue is full
	intake   *messages // of the live run, when it handles messages
}

// What a plugin reports in order, with the time of its arrival.
type (
	entered struct {
		run string
		at  time.Time
	}
	ended struct {
		result task.RunResult
	}
	commit struct {
		id  uint64
		run string
		ops []task.Op
	}
	load struct {
		id  uint64
		key string
	}
	extend struct {
		id  uint64
		run string
		by  time.Duration
		at  time.Time
	}
)

// finished is the answer to a commit or load that the store has dealt with.
type finished struct {
	answer task.Answer
	saved  string // the run that has run-scoped values now
}

// signs are the newest signs of life.
type signs struct {
	alive    bool
	at       time.Time
	run      string
	note     string
	progress *task.Progress

	ready     bool
	readyNote string
	readyAt   time.Time

	values map[string]json.RawMessage
}

var _ task.Reports = (*inbox)(nil)

func newInbox(admit func(key string) bool, flood func()) *inbox {
	return &inbox{wake: make(chan struct{}, 1), lost: make(chan struct{}), admit: admit, flood: flood}
}

// rouse lets the process's goroutine look again.
func (b *inbox) rouse() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *inbox) command(c any) {
	b.mu.Lock()
	b.commands = append(b.commands, c)
	b.mu.Unlock()
	b.rouse()
}

func (b *inbox) nextCommand() (any, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return pop(&b.commands)
}

// report queues what has an order. A plugin that sends without end is told apart from
// one that is busy: it fills the queue.
func (b *inbox) report(r any, size int) {
	b.mu.Lock()
	if b.closed || b.flooded {
		b.mu.Unlock()
		return
	}
	b.reports = append(b.reports, r)
	b.bytes += size
	b.flooded = len(b.reports) > maxReports || b.bytes > maxBytes
	flooded := b.flooded
	b.mu.Unlock()
	if flooded {
		b.flood()
	}
	b.rouse()
}

func (b *inbox) nextReport() (any, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, ok := pop(&b.reports)
	if c, is := r.(commit); is {
		b.bytes -= size(c.ops)
	}
	return r, ok
}

func pop(queue *[]any) (any, bool) {
	q := *queue
	if len(q) == 0 {
		return nil, false
	}
	first := q[0]
	q[0] = nil
	if *queue = q[1:]; len(q) == 1 {
		*queue = nil
	}
	return first, true
}

func size(ops []task.Op) int {
	n := 0
	for _, op := range ops {
		n += len(op.Value) + len(op.Key)
	}
	return n
}

// finish hands in the answer of the store.
func (b *inbox) finish(f finished) {
	b.mu.Lock()
	b.finished = &f
	b.mu.Unlock()
	b.rouse()
}

func (b *inbox) takeFinished() *finished {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.finished
	b.finished = nil
	return f
}

// sign notes a sign of life. One that says nothing wakes nobody while an earlier one waits to be passed on.
func (b *inbox) sign(note func(*signs)) {
	now := time.Now()
	b.mu.Lock()
	news := !b.signs.alive || note != nil
	b.signs.alive = true
	b.signs.at = now
	if note != nil {
		note(&b.signs)
	}
	b.mu.Unlock()
	if news {
		b.rouse()
	}
}

// pending reports which signs wait to be passed on.
func (b *inbox) pending() (alive, ready, values bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.signs.alive, b.signs.ready, len(b.signs.values) > 0
}

// take returns the signs that are asked for and forgets them.
func (b *inbox) take(alive, values bool) signs {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.signs
	b.signs.ready = false
	if alive {
		b.signs.alive, b.signs.progress, b.signs.note = false, nil, ""
	} else {
		out.alive = false
	}
	if values {
		b.signs.values = nil
	} else {
		out.values = nil
	}
	return out
}

// takeRefused returns why a published value was dropped, once.
func (b *inbox) takeRefused() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	text := b.refused
	b.refused = ""
	return text
}

// close makes the inbox drop what still comes.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// lossCause says why the session has ended.
func (b *inbox) lossCause() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lostErr
}

// RunEntered, and all that follows, is task.Reports.
func (b *inbox) RunEntered(run string, at time.Time) { b.report(entered{run, at}, 0) }

func (b *inbox) RunEnded(r task.RunResult) { b.report(ended{r}, 0) }

func (b *inbox) Progress(run string, p task.Progress) {
	b.sign(func(s *signs) { s.run, s.progress = run, &p })
}

func (b *inbox) Beat(note string) {
	b.sign(func(s *signs) { s.note = note })
}

func (b *inbox) Ready(note string) {
	b.sign(func(s *signs) { s.ready, s.readyNote, s.readyAt = true, note, s.at })
}

func (b *inbox) Published(key string, value json.RawMessage) {
	refused := ""
	switch {
	case len(value) > maxValue:
		refused = fmt.Sprintf("state %q is not published: its value has %d bytes, at most %d are allowed", key, len(value), maxValue)
	case !b.admit(key):
		refused = fmt.Sprintf("state %q is not published: a task publishes at most %d keys", key, maxKeys)
	}
	b.sign(func(s *signs) {
		if refused != "" {
			if !b.told {
				b.refused, b.told = refused, true
			}
			return
		}
		if s.values == nil {
			s.values = map[string]json.RawMessage{}
		}
		s.values[key] = value
	})
}

func (b *inbox) Commit(id uint64, run string, ops []task.Op) {
	b.sign(nil)
	b.report(commit{id, run, ops}, size(ops))
}

func (b *inbox) Load(id uint64, key string) { b.report(load{id, key}, 0) }

func (b *inbox) Extend(id uint64, run string, by time.Duration) {
	b.report(extend{id, run, by, time.Now()}, 0)
}

// handling says which run handles messages from now on; nil is none.
func (b *inbox) handling(m *messages) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.intake = m
}

// messagesOf is what handles the messages of the run; nil when it is not going any more.
func (b *inbox) messagesOf(run string) *messages {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.intake == nil || b.intake.run != run {
		return nil
	}
	return b.intake
}

// Credit and what follows about messages goes straight to the consumer, which answers nothing and blocks nobody.
func (b *inbox) Credit(run string, window int) {
	if m := b.messagesOf(run); m != nil {
		m.consumer.Window(window)
	}
}

func (b *inbox) MessagesEntered(run string, tags []uint64) {
	b.sign(nil)
	if m := b.messagesOf(run); m != nil {
		m.entered(tags)
	}
}

func (b *inbox) MessagesHandled(run string, h task.Handled) {
	b.sign(nil)
	if m := b.messagesOf(run); m != nil {
		m.handled(h)
	}
}

func (b *inbox) MessageExtended(run string, tag uint64, by time.Duration) {
	b.sign(nil)
	if m := b.messagesOf(run); m != nil {
		m.extend(tag, by)
	}
}

func (b *inbox) Lost(err error) {
	b.mu.Lock()
	b.lostErr = err
	b.mu.Unlock()
	close(b.lost)
}
