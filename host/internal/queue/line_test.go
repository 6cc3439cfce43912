package queue

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/task"
)

// world drives one line as a Broker would, with writes that take effect later or not at all.
type world struct {
	t    *rapid.T
	l    *line
	now  int64
	seq  uint64
	tag  uint64
	rate bool

	writes []func(ok bool) // under way, in their order
	there  map[uint64]*entry
	bodies map[uint64]json.RawMessage
	done   map[uint64]string // what became of messages that are not there any more
}

// drawWorld makes a queue with some of everything, and processes that take its messages.
func drawWorld(t *rapid.T) *world {
	w := &world{t: t, now: 1e18, l: newLine("q", &cache{limit: 200}), there: map[uint64]*entry{}, done: map[uint64]string{}, bodies: map[uint64]json.RawMessage{}}
	w.l.define(task.Queue{
		Name: "q", MaxMessages: rapid.IntRange(1, 12).Draw(t, "max messages"), MaxBytes: 400,
		MaxDeliveries: rapid.IntRange(1, 3).Draw(t, "max deliveries"),
		MaxAge:        rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "max age"),
		Overflow:      rapid.SampledFrom([]task.Overflow{task.OverflowReject, task.OverflowDropOldest}).Draw(t, "overflow"),
		Redeliver:     task.Redeliver{Backoff: time.Second, MaxBackoff: time.Minute},
	}, true, rapid.SampledFrom([]string{"", task.OrderByKey, "k"}).Draw(t, "order"), w.now)
	works := &worker{name: "w"}
	if w.rate = rapid.Bool().Draw(t, "rate"); w.rate {
		works.bucket.set(5, time.Second, w.now)
	}
	for range rapid.IntRange(1, 3).Draw(t, "processes") {
		w.join(works, rapid.Bool().Draw(t, "groups"))
	}
	return w
}

func (w *world) join(works *worker, groups bool) {
	c := &consumer{worker: works, line: w.l, held: map[uint64]hold{}, most: 4, window: rapid.IntRange(0, 5).Draw(w.t, "window")}
	if groups {
		c.groups = []string{"g"}
	}
	w.l.consumers = append(w.l.consumers, c)
}

// post puts some messages in, as far as they are not refused.
func (w *world) post(t *rapid.T) {
	for range rapid.IntRange(1, 5).Draw(w.t, "messages") {
		w.postOne()
		if rapid.Bool().Draw(w.t, "at once") {
			w.write(t)
		}
	}
}

func (w *world) postOne() {
	key := rapid.SampledFrom([]string{"", "a", "b"}).Draw(w.t, "key")
	body := json.RawMessage(fmt.Sprintf(`{"k":%q,"pad":%q}`, key, rapid.StringN(0, 40, -1).Draw(w.t, "pad")))
	c := &claim{line: w.l, take: room{1, int64(len(body))}}
	if _, err := reserve([]*claim{c}, nil, false); err != nil {
		return
	}
	for _, e := range c.victims {
		if e.place != leaving {
			w.t.Fatalf("message %d is dropped at place %d", e.seq, e.place)
		}
	}
	w.writes = append(w.writes, func(ok bool) {
		c.release()
		for _, e := range c.victims {
			w.goes(e, ok, "dropped")
		}
		if !ok {
			return
		}
		w.seq++
		m := &task.Message{Seq: w.seq, ID: fmt.Sprint(w.seq), Key: key, Body: body, Size: len(body), Posted: time.Unix(0, w.now)}
		e := newEntry(w.l, m)
		e.lane, e.laned = laneOf(w.l.orderBy, key, body), w.l.orderBy != ""
		w.l.cache.keep(e, body)
		w.l.insert(e, w.now)
		w.there[e.seq], w.bodies[e.seq] = e, body
	})
}

// goes ends a message, or gives it back when that could not be written.
func (w *world) goes(e *entry, ok bool, how string) {
	if !ok {
		w.l.wait(e, w.now)
		return
	}
	if w.done[e.seq] != "" {
		w.t.Fatalf("message %d is %s, and was %s before", e.seq, how, w.done[e.seq])
	}
	w.done[e.seq] = how
	delete(w.there, e.seq)
	w.l.remove(e, w.now)
}

// write lets the oldest write take effect, or fail.
func (w *world) write(*rapid.T) {
	if len(w.writes) > 0 {
		done := w.writes[0]
		w.writes = w.writes[1:]
		done(rapid.IntRange(0, 3).Draw(w.t, "written") > 0)
	}
}

// hand lets the line decide, and checks what it hands out.
func (w *world) hand(*rapid.T) {
	w.l.due(w.now)
	for _, e := range w.l.expire(w.now) {
		w.writes = append(w.writes, func(ok bool) { w.goes(e, ok, "expired") })
	}
	t := &turn{now: w.now, tag: &w.tag}
	w.l.handOut(t)
	for _, e := range t.spent {
		w.writes = append(w.writes, func(ok bool) { w.goes(e, ok, "dead") })
	}
	var given []uint64
	for _, c := range t.to {
		for _, d := range c.out {
			if len(d.Message.Body) == 0 {
				w.t.Fatalf("message %d is handed out without its body", d.Message.Seq)
			}
			if d.Alone != (d.Message.Crashes > 0) {
				w.t.Fatalf("message %d with %d crashes: alone is %t", d.Message.Seq, d.Message.Crashes, d.Alone)
			}
			if !d.Alone {
				given = append(given, d.Tag)
			}
		}
	}
	w.inOrder(given)
	for _, c := range t.to {
		c.out = nil
	}
	for _, c := range t.join { // the groups let everybody through
		c.joining, c.through = false, true
	}
	if w.l.fetch {
		w.read()
	}
}

// inOrder fails when an older message waits than one that was handed out, or two were in the wrong order. Tags rise.
func (w *world) inOrder(given []uint64) {
	slices.Sort(given)
	last := uint64(0)
	for _, tag := range given {
		for _, c := range w.l.consumers {
			h, ok := c.held[tag]
			if !ok {
				continue
			}
			if h.entry.seq < last {
				w.t.Fatalf("message %d is handed out after %d", h.entry.seq, last)
			}
			last = h.entry.seq
		}
	}
	if e := w.l.first(); e != nil && e.seq < last && e.lane == "" {
		w.t.Fatalf("message %d waits, and %d was handed out", e.seq, last)
	}
}

// read reads what the line wants to have read.
func (w *world) read() {
	w.l.fetch = false
	for _, e := range w.l.wanted(room{3, 1 << 20}) {
		w.l.cache.hold(e, w.bodies[e.seq])
	}
}

// someHeld picks a delivery.
func (w *world) someHeld() (*consumer, uint64, bool) {
	for _, c := range w.l.consumers {
		for _, tag := range slices.Sorted(func(yield func(uint64) bool) {
			for tag := range c.held {
				if !yield(tag) {
					return
				}
			}
		}) {
			if rapid.Bool().Draw(w.t, "this one") {
				return c, tag, true
			}
		}
	}
	return nil, 0, false
}

func (w *world) enter(*rapid.T) {
	if c, tag, ok := w.someHeld(); ok {
		w.l.enter(c, tag, w.now)
	}
}

// letGo is what a Broker does, without one.
func (w *world) letGo(c *consumer, tag uint64) hold {
	b := &Broker{}
	return b.letGo(c, tag)
}

func (w *world) handle(*rapid.T) {
	c, tag, ok := w.someHeld()
	if !ok {
		return
	}
	status := rapid.SampledFrom([]task.RunStatus{task.StatusSucceeded, task.StatusFailed, task.StatusPermanent, task.StatusInterrupted, task.StatusRetryAfter}).Draw(w.t, "status")
	h := w.letGo(c, tag)
	switch {
	case status == task.StatusInterrupted:
		if h.entered != 0 {
			h.entry.attempts--
		}
		w.l.wait(h.entry, w.now)
		return
	case h.entered == 0:
		h.entry.attempts++
	}
	if status == task.StatusSucceeded {
		w.writes = append(w.writes, func(ok bool) { w.goes(h.entry, ok, "acknowledged") })
		return
	}
	w.decide(h.entry, w.l.after(h.entry, task.HandledMessage{Status: status, RetryAfter: time.Second}, 0.5))
}

func (w *world) decide(e *entry, f fate) {
	if f.dead != "" {
		w.writes = append(w.writes, func(ok bool) { w.goes(e, ok, "dead") })
		return
	}
	w.l.again(e, f, w.now)
}

// crash ends a process under its handlers; another one takes its place.
func (w *world) crash(*rapid.T) {
	i := rapid.IntRange(0, len(w.l.consumers)-1).Draw(w.t, "process")
	c := w.l.consumers[i]
	c.closed = true
	w.l.consumers = slices.Delete(w.l.consumers, i, i+1)
	if w.l.lone == c {
		w.l.lone = nil
	}
	for _, tag := range slices.Sorted(func(yield func(uint64) bool) {
		for tag := range c.held {
			if !yield(tag) {
				return
			}
		}
	}) {
		h := w.letGo(c, tag)
		if h.entered == 0 {
			w.l.wait(h.entry, w.now)
			continue
		}
		h.entry.history().crashes++
		w.decide(h.entry, w.l.afterCrash(h.entry, "exit 1", 0.5))
	}
	w.join(c.worker, len(c.groups) > 0)
}

func (w *world) pass(*rapid.T) {
	w.now += int64(rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second, 20 * time.Second}).Draw(w.t, "time"))
}

func (w *world) reload(*rapid.T) {
	q := w.l.spec
	q.MaxAge = rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(w.t, "new max age")
	w.l.define(q, rapid.IntRange(0, 3).Draw(w.t, "declared") > 0, w.l.orderBy, w.now)
}

// check holds what must always hold.
func (w *world) check(t *rapid.T) {
	l := w.l
	count, size := map[place]int{}, room{}
	for _, e := range w.there {
		count[e.place]++
		size = size.plus(e.room())
		if l.spec.MaxDeliveries > 0 && int(e.attempts) > l.spec.MaxDeliveries {
			t.Fatalf("message %d was tried %d times", e.seq, e.attempts)
		}
		if e.place == gone {
			t.Fatalf("message %d is lost", e.seq)
		}
		if aged := l.spec.MaxAge > 0 && e.place.waits(); aged != (e.ageAt != nowhere) {
			t.Fatalf("message %d at place %d: it is watched for its age: %t", e.seq, e.place, !aged)
		}
	}
	if size != l.size {
		t.Fatalf("the queue counts %+v, there is %+v", l.size, size)
	}
	for p := fresh; p <= leaving; p++ {
		if count[p] != l.counts[p] {
			t.Fatalf("place %d counts %d, there are %d", p, l.counts[p], count[p])
		}
	}
	if l.reserved.n < 0 || l.reserved.bytes < 0 {
		t.Fatalf("%+v are reserved", l.reserved)
	}
	if used := l.size.plus(l.reserved); used.n > l.spec.MaxMessages || used.bytes > l.spec.MaxBytes {
		t.Fatalf("%+v are in a queue for %d and %d", used, l.spec.MaxMessages, l.spec.MaxBytes)
	}
	if len(l.ready.all) != count[ready] || len(l.suspects.all) != count[suspect] || len(l.delayed.all) != count[delayed] {
		t.Fatalf("the piles hold %d, %d and %d", len(l.ready.all), len(l.suspects.all), len(l.delayed.all))
	}
	if len(l.all) > 2*l.size.n+64 {
		t.Fatalf("%d places are kept for %d messages", len(l.all), l.size.n)
	}
	w.checkHands(t)
	w.checkLanes(t)
}

// checkHands: nothing is in two hands, nobody has too much, and what crashed a process is alone.
func (w *world) checkHands(t *rapid.T) {
	in, tickets := map[uint64]bool{}, map[uint64]bool{0: true}
	for _, c := range w.l.consumers {
		if len(c.held) > 4 {
			t.Fatalf("a process has %d messages", len(c.held))
		}
		for _, h := range c.held {
			if in[h.entry.seq] || h.entry.place != held {
				t.Fatalf("message %d is in two hands, or in none", h.entry.seq)
			}
			in[h.entry.seq] = true
			if h.entry.crashes() > 0 && len(c.held) > 1 {
				t.Fatalf("message %d has company", h.entry.seq)
			}
			if tickets[h.ticket] != (len(c.groups) == 0) {
				t.Fatalf("message %d has ticket %d", h.entry.seq, h.ticket)
			}
			tickets[h.ticket] = true
		}
	}
	if len(in) != w.l.counts[held] {
		t.Fatalf("%d messages are in hands, %d are counted", len(in), w.l.counts[held])
	}
}

// checkLanes: of each key only the first is anywhere but behind, and something of it can go on.
func (w *world) checkLanes(t *rapid.T) {
	first := map[string]*entry{}
	for _, e := range w.there {
		if f := first[e.lane]; e.lane != "" && (f == nil || e.seq < f.seq) {
			first[e.lane] = e
		}
	}
	if len(first) != len(w.l.lanes) {
		t.Fatalf("%d keys are there, %d are kept", len(first), len(w.l.lanes))
	}
	for _, e := range w.there {
		switch isFirst := first[e.lane] == e; {
		case e.lane == "":
		case isFirst && e.place == behind:
			t.Fatalf("message %d waits for nobody", e.seq)
		case !isFirst && e.place != behind && e.place != leaving:
			t.Fatalf("message %d of key %s is at place %d before %d", e.seq, e.lane, e.place, first[e.lane].seq)
		}
	}
}

// drain lets everything go on until nothing is left: whatever happened, nothing is stuck.
func (w *world) drain(t *rapid.T) {
	q := w.l.spec
	w.l.define(q, true, w.l.orderBy, w.now)
	for _, c := range w.l.consumers {
		c.window = 4
	}
	for round := 0; len(w.there) > 0 || len(w.writes) > 0; round++ {
		if round > 2000 {
			t.Fatalf("%d messages are stuck", len(w.there))
		}
		w.now += int64(time.Second)
		w.hand(t)
		for _, c := range w.l.consumers {
			for tag := range c.held {
				h := w.letGo(c, tag)
				w.writes = append(w.writes, func(ok bool) { w.goes(h.entry, ok, "acknowledged") })
			}
		}
		for len(w.writes) > 0 {
			done := w.writes[0]
			w.writes = w.writes[1:]
			done(true)
		}
		w.check(t)
	}
	if len(w.done) != int(w.seq) {
		t.Fatalf("%d messages came, %d have ended", w.seq, len(w.done))
	}
	if len(w.l.all) > 64 || w.l.cache.used != 0 || len(w.l.ages.all) != 0 {
		t.Fatalf("something is left: %d places, %d bytes, %d ages", len(w.l.all), w.l.cache.used, len(w.l.ages.all))
	}
}

func TestALineKeepsItsPromisesWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for range 8 {
			t.Repeat(map[string]func(*rapid.T){
				"": w.check, "post": w.post, "write": w.write, "write 2": w.write, "hand": w.hand, "hand 2": w.hand,
				"enter": w.enter, "enter 2": w.enter, "handle": w.handle, "handle 2": w.handle, "crash": w.crash, "pass": w.pass, "reload": w.reload,
			})
		}
		w.drain(t)
	})
}

func TestWhatMemoryHoldsOfAWaitingMessageIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(entry{}); size > 160 {
		t.Errorf("an entry takes %d bytes", size)
	}
}
