package queue

import (
	"slices"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	// maxUnsynced bounds the deliveries that a consumer has settled and the store has not written yet.
	maxUnsynced = 2048
	// maxUnsyncedBytes likewise, of what their handlers commit.
	maxUnsyncedBytes = 16 << 20
)

// worker is what the processes of one task share.
type worker struct {
	name   string
	paused bool
	bucket bucket
}

// hold is a message in the hands of a process.
type hold struct {
	entry   *entry
	ticket  uint64
	entered int64 // 0: no handler has it yet
}

// consumer is a process that takes messages of a line. What stands above line is all that lines know of it.
type consumer struct {
	worker *worker
	run    string
	groups []string
	most   int // how many the host has under way with it, whatever its window
	window int
	held   map[uint64]hold
	out    []task.Delivery // given in this step

	unsynced      int
	unsyncedBytes int
	blocked       int // settled deliveries that wait for room in a queue

	alone   bool // holds a suspect
	owed    bool // had a suspect last; others come first now
	joining bool
	through bool // ticket is through, and not used yet
	ticket  uint64

	line    *line
	broker  *Broker
	outputs map[string]string
	deliver func([]task.Delivery)
	closed  bool
}

// able reports whether it takes anything at all.
func (c *consumer) able() bool { return !c.closed && !c.worker.paused && c.window > 0 }

// room is how many deliveries it takes now.
func (c *consumer) room() int {
	if !c.able() || c.blocked > 0 || c.unsynced >= maxUnsynced || c.unsyncedBytes >= maxUnsyncedBytes {
		return 0
	}
	return max(0, min(c.window, c.most)-len(c.held))
}

// turn collects what lines decide in one step of the broker.
type turn struct {
	now   int64
	tag   *uint64 // the last one given out; tickets are of the same series
	to    []*consumer
	join  []*consumer
	leave []uint64
	spent []*entry
	fetch bool
}

// handOut gives what waits to those who take it, oldest first, each to the one with the fewest in hand.
func (l *line) handOut(t *turn) {
	if l.declared && l.unlaned == 0 {
		l.handSuspect(t)
		for l.handNext(t) {
		}
	}
	t.fetch = t.fetch || l.fetch
	l.giveTicketsBack(t)
}

// giveTicketsBack gives up places in groups for which there is no message now.
func (l *line) giveTicketsBack(t *turn) {
	for _, c := range l.consumers {
		if c.through {
			c.through = false
			t.leave = append(t.leave, c.ticket)
		}
	}
}

// handNext gives out one message; false when there is none, or nobody for it.
func (l *line) handNext(t *turn) bool {
	e := l.first()
	if e == nil || l.giveUp(e, t) {
		return e != nil
	}
	if e.body == nil {
		l.fetch = l.fetch || l.taken()
		return false
	}
	c := l.pick(t)
	if c == nil {
		return false
	}
	l.give(c, e, t)
	c.owed = false
	return true
}

// taken reports whether anybody takes messages now.
func (l *line) taken() bool {
	return slices.ContainsFunc(l.consumers, func(c *consumer) bool { return c.room() > 0 })
}

// handSuspect gives a message that a process ended under to a consumer that has nothing else. One consumer at a time
// gets ready for that; between two suspects it takes others, when there are any.
func (l *line) handSuspect(t *turn) {
	for e := l.suspects.first(); e != nil && l.giveUp(e, t); e = l.suspects.first() {
	}
	e := l.suspects.first()
	if l.lone != nil && !l.lone.alone && (e == nil || !l.lone.able()) {
		l.lone = nil
	}
	if e == nil {
		return
	}
	if l.lone == nil {
		l.lone = l.chooseLone()
	}
	c := l.lone
	if c == nil || len(c.held) > 0 || c.room() == 0 {
		return
	}
	if e.body == nil {
		l.fetch = true
		return
	}
	if !l.admitted(c, t) {
		return
	}
	l.give(c, e, t)
	c.alone = true
	c.out[len(c.out)-1].Alone = true
}

// chooseLone picks who is to get the next suspect.
func (l *line) chooseLone() *consumer {
	others := l.first() != nil
	var best *consumer
	for _, c := range l.consumers {
		if c.able() && !(c.owed && others) && (best == nil || len(c.held) < len(best.held)) {
			best = c
		}
	}
	return best
}

// pick finds who gets the next message, in turn among those with the fewest in hand.
func (l *line) pick(t *turn) *consumer {
	var best *consumer
	at := 0
	for i := range l.consumers {
		i = (l.turn + i) % len(l.consumers)
		c := l.consumers[i]
		if c == l.lone || best != nil && len(c.held) >= len(best.held) || c.room() == 0 || !l.admitted(c, t) {
			continue
		}
		best, at = c, i+1
	}
	l.turn = at
	return best
}

// admitted reports whether the rate and the groups of its task let the consumer have one more. When the groups
// have not been asked yet, they are now.
func (l *line) admitted(c *consumer, t *turn) bool {
	if at := c.worker.bucket.at(t.now); at > t.now {
		l.wakeAt = sooner(l.wakeAt, at)
		return false
	}
	if len(c.groups) == 0 || c.through {
		return true
	}
	if !c.joining {
		*t.tag++
		c.joining, c.ticket = true, *t.tag
		t.join = append(t.join, c)
	}
	return false
}

// giveUp takes out a message that was tried often enough: the host died under its last handler.
func (l *line) giveUp(e *entry, t *turn) bool {
	if !l.spent(e) {
		return false
	}
	l.pull(e, leaving)
	t.spent = append(t.spent, e)
	return true
}

func (l *line) give(c *consumer, e *entry, t *turn) {
	*t.tag++
	h := hold{entry: e}
	if c.through {
		c.through, h.ticket = false, c.ticket
	}
	l.pull(e, held)
	c.worker.bucket.take()
	c.held[*t.tag] = h
	if len(c.out) == 0 {
		t.to = append(t.to, c)
		c.out = make([]task.Delivery, 0, min(c.room()+1, 1+l.counts[fresh]+l.counts[ready]))
	}
	c.out = append(c.out, task.Delivery{Tag: *t.tag, Message: e.message(), Attempt: int(e.attempts) + 1})
	l.cache.drop(e)
}

// wanted returns the next messages to be handed out whose bodies are not in memory.
func (l *line) wanted(limit room) (out []*entry) {
	size := room{}
	want := func(e *entry) bool {
		if e != nil && e.body == nil && e.place.waits() {
			out, size = append(out, e), size.plus(e.room())
		}
		return size.n < limit.n && size.bytes < limit.bytes
	}
	alone, first := l.suspects.first(), l.first()
	if !want(alone) || !want(first) {
		return out
	}
	for _, e := range l.ready.all[:min(len(l.ready.all), limit.n)] {
		if e != first && !want(e) {
			return out
		}
	}
	for _, e := range l.all[l.next:min(len(l.all), l.next+limit.n)] {
		if e.place == fresh && e != first && !want(e) {
			return out
		}
	}
	return out
}
