package queue

import (
	"fmt"
	"slices"

	"github.com/taskhost/taskhost/host/internal/task"
)

// claim is the room that a write takes in one queue.
type claim struct {
	line    *line
	take    room     // of what it adds
	give    room     // of what it acknowledges there
	victims []*entry // dropped for it
	kept    room     // reserved for it
}

// waiter is a write that waits until all queues that it touches have room. It holds none meanwhile.
type waiter struct {
	claims []*claim
	lines  []*line     // with overflow "block": it stands in the line of each
	ready  func(error) // called once, under the lock: it has its room, or is refused
}

// lack is how much room a claim lacks. What gives as much as it takes lacks none, also in a queue that holds too much.
func (c *claim) lack() room {
	l := c.line
	want := l.size.plus(l.reserved).plus(c.take).minus(c.give)
	over := room{}
	if l.spec.MaxMessages > 0 && c.take.n > c.give.n {
		over.n = max(0, want.n-l.spec.MaxMessages)
	}
	if l.spec.MaxBytes > 0 && c.take.bytes > c.give.bytes {
		over.bytes = max(0, want.bytes-l.spec.MaxBytes)
	}
	return over
}

// follows reports whether others wait for room that the claim may not take before them. What puts in no more messages than it
// takes out may: they wait for just such, and would do so for ever. So may all before those who lack room in another queue alone:
// who makes that room may need some of this one.
func (c *claim) follows(self *waiter) bool {
	if c.line.spec.Overflow != task.OverflowBlock || c.take.n <= c.give.n {
		return false
	}
	for _, w := range c.line.waiters {
		if w == self {
			return false
		}
		if w.lacks(c.line) {
			return true
		}
	}
	return false
}

// lacks reports whether the waiter waits for room in the line, and not just for that in another.
func (w *waiter) lacks(l *line) bool {
	return slices.ContainsFunc(w.claims, func(c *claim) bool { return c.line == l && c.lack() != room{} })
}

// never reports whether the claim lacks room even in an empty queue.
func (c *claim) never() bool {
	s := c.line.spec
	return s.MaxMessages > 0 && c.take.n > s.MaxMessages || s.MaxBytes > 0 && c.take.bytes > s.MaxBytes
}

// reserve takes the room for all claims or for none. With wait, and only when nothing is refused, some queue whose
// producers wait is full. polite claims drop nothing and wait for nothing.
func reserve(claims []*claim, self *waiter, polite bool) (wait bool, err error) {
	for _, c := range claims {
		c.victims = nil
		lack := c.lack()
		switch {
		case !c.line.declared:
			return false, noLonger(c.line.spec.Name)
		case c.never():
			return false, tooMuch(c)
		case lack == room{} && (polite || !c.follows(self)):
		case polite:
			return false, fullError(c.line)
		case c.line.spec.Overflow == task.OverflowBlock:
			wait = true
			c.line.overflowed()
		case c.line.spec.Overflow == task.OverflowDropOldest:
			victims, size := c.line.oldest(lack)
			if size.n < lack.n || size.bytes < lack.bytes {
				return false, c.refuse()
			}
			c.victims = victims
		default:
			return false, c.refuse()
		}
	}
	if wait {
		return true, nil
	}
	for _, c := range claims {
		give := c.give
		for _, e := range c.victims {
			c.line.pull(e, leaving)
			give = give.plus(e.room())
		}
		c.kept = room{max(0, c.take.n-give.n), max(0, c.take.bytes-give.bytes)}
		c.line.reserved = c.line.reserved.plus(c.kept)
	}
	return false, nil
}

// refuse counts a claim that finds no room.
func (c *claim) refuse() error {
	c.line.overflowed()
	c.line.rejected += uint64(c.take.n)
	return fullError(c.line)
}

// release gives back what was reserved.
func (c *claim) release() {
	c.line.reserved = c.line.reserved.minus(c.kept)
	c.kept = room{}
}

// stand puts a waiter into the line of every queue that may let it wait.
func (w *waiter) stand() {
	for _, c := range w.claims {
		if c.line.spec.Overflow == task.OverflowBlock {
			w.lines = append(w.lines, c.line)
			c.line.waiters = append(c.line.waiters, w)
		}
	}
}

// step takes a waiter out of its lines, and returns them; nil when it stood in none any more.
func (w *waiter) step() []*line {
	lines := w.lines
	w.lines = nil
	for _, l := range lines {
		l.waiters = slices.DeleteFunc(l.waiters, func(o *waiter) bool { return o == w })
	}
	return lines
}

// admit lets those who wait go on, oldest first, as far as there is room.
func (l *line) admit() {
	for lines := []*line{l}; len(lines) > 0; {
		w, err := lines[0].served()
		if w == nil {
			lines = lines[1:]
			continue
		}
		lines = append(lines, w.step()...)
		w.ready(err)
	}
}

// served is the first waiter that has its room now, or is refused; nil when all wait on.
func (l *line) served() (*waiter, error) {
	for _, w := range l.waiters {
		if wait, err := reserve(w.claims, w, false); !wait {
			return w, err
		}
		if w.lacks(l) {
			return nil, nil
		}
	}
	return nil, nil
}

// eased reports whether a queue that was full has room again, some of it and not just the last place.
func (l *line) eased() bool {
	used := l.size.plus(l.reserved)
	s := l.spec
	return (s.MaxMessages <= 0 || used.n <= s.MaxMessages*9/10) && (s.MaxBytes <= 0 || used.bytes <= s.MaxBytes/10*9)
}

func fullError(l *line) error {
	return &task.Error{
		Code:   task.CodeQueueFull,
		Detail: fmt.Sprintf("the queue %q is full: it holds %d messages of %d bytes in all, %d messages and %d bytes are allowed", l.spec.Name, l.size.n, l.size.bytes, l.spec.MaxMessages, l.spec.MaxBytes),
		Remedy: "try again later, add consumers, or raise max_messages or max_bytes of the queue",
	}
}

func tooMuch(c *claim) error {
	s := c.line.spec
	if c.take.n == 1 {
		return &task.Error{
			Code:   task.CodeMessageTooBig,
			Detail: fmt.Sprintf("a message of %d bytes never fits into the queue %q, which holds %d bytes", c.take.bytes, s.Name, s.MaxBytes),
			Remedy: "send less, or raise max_bytes of the queue",
		}
	}
	return &task.Error{
		Code:   task.CodeQueueFull,
		Detail: fmt.Sprintf("%d messages of %d bytes in all never fit into the queue %q at once, which holds %d messages and %d bytes", c.take.n, c.take.bytes, s.Name, s.MaxMessages, s.MaxBytes),
		Remedy: "commit fewer at a time, or raise max_messages or max_bytes of the queue",
	}
}
