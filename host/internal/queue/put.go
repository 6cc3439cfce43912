package queue

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// draft is a message that is to be added.
type draft struct {
	line     *line
	message  *task.Message
	remember time.Duration
	digest   []byte
	orderBy  string // what lane was made with
	lane     string
}

// put is the part of a write that adds messages.
type put struct {
	drafts []draft
	claims []*claim // one for each queue
}

// add adds a draft and the room that it takes.
func (p *put) add(d draft) {
	p.drafts = append(p.drafts, d)
	c := p.claim(d.line)
	c.take = c.take.plus(room{1, int64(d.message.Size)})
}

func (p *put) claim(l *line) *claim {
	for _, c := range p.claims {
		if c.line == l {
			return c
		}
	}
	c := &claim{line: l}
	p.claims = append(p.claims, c)
	return c
}

// acknowledges says that the same write deletes messages: they make room.
func (p *put) acknowledges(acks []*entry) {
	for _, e := range acks {
		for _, c := range p.claims {
			if c.line == e.line {
				c.give = c.give.plus(e.room())
			}
		}
	}
}

// into sets the part in a write.
func (p *put) into(w *task.QueueWrite) {
	w.Put = make([]task.Put, len(p.drafts))
	for i, d := range p.drafts {
		w.Put[i] = task.Put{Message: d.message, RememberFor: d.remember, Digest: d.digest}
	}
	for _, c := range p.claims {
		if len(c.victims) == 0 {
			continue
		}
		d := task.Drop{Queue: c.line.spec.Name}
		for _, e := range c.victims {
			d.Seqs = append(d.Seqs, e.seq)
		}
		w.Drop = append(w.Drop, d)
	}
}

// target is what a draft must know of its queue.
type target struct {
	line    *line
	name    string
	orderBy string
	idsFor  time.Duration
}

// target finds a queue that takes messages.
func (b *Broker) target(name string) (target, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lines[name]
	switch {
	case l == nil:
		return target{}, unknownQueue(name, b.names())
	case !l.declared:
		if l.blank() {
			return target{}, unknownQueue(name, b.names())
		}
		return target{}, noLonger(name)
	}
	return target{l, name, l.orderBy, l.spec.IDsFor}, nil
}

// names are the declared queues. The lock is held.
func (b *Broker) names() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(b.lines)) {
		if b.lines[name].declared {
			names = append(names, name)
		}
	}
	return names
}

// draft checks a message and makes it ready to be written. An id that is given is remembered, with the body that
// it was used for; one that is made here cannot come again.
func (b *Broker) draft(t target, m task.NewMessage, remember bool) (draft, error) {
	if err := checkKey(m.Key); err != nil {
		return draft{}, err
	}
	body := m.Body
	if !m.Clean {
		var err error
		if body, err = compact(t.name, body); err != nil {
			return draft{}, err
		}
	}
	if err := checkSize(t.name, body); err != nil {
		return draft{}, err
	}
	now := b.cfg.Now().UTC()
	d := draft{line: t.line, orderBy: t.orderBy, lane: laneOf(t.orderBy, m.Key, body)}
	if m.ID == "" {
		m.ID, remember = task.NewID(now), false
	} else if err := checkID(m.ID); err != nil {
		return draft{}, err
	}
	if remember {
		sum := sha256.Sum256(body)
		d.remember, d.digest = t.idsFor, sum[:]
	}
	d.message = &task.Message{Queue: t.name, ID: m.ID, Key: m.Key, Body: body, Posted: now, Source: m.Source, Size: len(body), TraceParent: m.TraceParent}
	return d, nil
}

// Post adds a message; it is durable on return. While a queue with overflow "block" is full it waits as long as ctx.
func (b *Broker) Post(ctx context.Context, queue string, m task.NewMessage) (task.Posted, error) {
	p, err := b.post(ctx, queue, m)
	if err != nil {
		return task.Posted{}, err
	}
	return p.wait()
}

// PostAll posts messages as Post does, in their order, so that they share the time of the disk. Both results are as
// long as ms; a message that is refused keeps no other one out.
func (b *Broker) PostAll(ctx context.Context, queue string, ms []task.NewMessage) ([]task.Posted, []error) {
	posted, errs := make([]task.Posted, len(ms)), make([]error, len(ms))
	under := make([]*posting, len(ms))
	for i, m := range ms {
		under[i], errs[i] = b.post(ctx, queue, m)
	}
	for i, p := range under {
		if p != nil {
			posted[i], errs[i] = p.wait()
		}
	}
	return posted, errs
}

// posting is a message on its way to the disk.
type posting struct {
	id    string
	write *task.QueueWrite
	done  <-chan error
}

// post gives a message to the store once there is room for it.
func (b *Broker) post(ctx context.Context, queue string, m task.NewMessage) (*posting, error) {
	t, err := b.target(queue)
	if err != nil {
		return nil, err
	}
	if m.ID != "" {
		if err := checkGivenID(m.ID); err != nil {
			return nil, err
		}
	}
	d, err := b.draft(t, m, true)
	if err != nil {
		return nil, err
	}
	p := &put{}
	p.add(d)
	w := &task.QueueWrite{}
	done, err := b.submit(ctx, w, p, false)
	if err != nil {
		return nil, err
	}
	return &posting{d.message.ID, w, done}, nil
}

// wait returns when the message is on the disk, or refused.
func (p *posting) wait() (task.Posted, error) {
	if err := <-p.done; err != nil {
		return task.Posted{}, err
	}
	return task.Posted{ID: p.id, Duplicate: p.write.Put[0].Duplicate}, nil
}

// Commit applies a commit of author code. See task.Queues.
func (b *Broker) Commit(ctx context.Context, c task.EmitCommit) error {
	from := origin{source: "run " + c.Run, trace: c.TraceParent}
	if c.Run == "" {
		from.source = "task " + c.Task
	}
	ops, p, err := b.split(c.Ops, c.Outputs, from)
	if err != nil {
		return err
	}
	if p == nil {
		p = &put{}
	}
	return b.write(ctx, &task.QueueWrite{Task: c.Task, Run: c.Run, Ops: ops}, p, false)
}

// origin is where a message that is emitted comes from. With acked a message is acknowledged in the same write: ids
// that are derived need no memory then, since they can come again only if the whole write did not take effect.
type origin struct {
	source string
	trace  string // W3C trace context of emits that have none
	acked  bool
}

// split makes messages of the emits among ops, and returns the rest; no put without emits.
func (b *Broker) split(ops []task.Op, outputs map[string]string, from origin) (rest []task.Op, p *put, err error) {
	for i, op := range ops {
		if op.Kind != task.OpEmit {
			rest = append(rest, op)
			continue
		}
		if p == nil {
			p = &put{}
		}
		d, err := b.emit(op, outputs, from)
		if err != nil {
			return nil, nil, fmt.Errorf("operation %d of %d: %w", i+1, len(ops), err)
		}
		p.add(d)
	}
	return rest, p, nil
}

func (b *Broker) emit(op task.Op, outputs map[string]string, from origin) (draft, error) {
	name := outputs[op.Output]
	if name == "" {
		return draft{}, &task.Error{Code: "output_not_wired", Detail: fmt.Sprintf("the output %q is not wired to a queue", op.Output), Remedy: fmt.Sprintf("give the task output %q { queue = … }", op.Output)}
	}
	t, err := b.target(name)
	if err != nil {
		return draft{}, err
	}
	derived := op.ID != "" && op.ID[0] == derivedID
	m := task.NewMessage{ID: op.ID, Key: op.Key, Body: op.Value, Source: from.source, TraceParent: cmp.Or(op.TraceParent, from.trace)}
	return b.draft(t, m, !(from.acked && derived))
}

// write writes w with the messages of p, and waits until it is on the disk. polite writes wait for no room and drop nothing.
func (b *Broker) write(ctx context.Context, w *task.QueueWrite, p *put, polite bool) error {
	done, err := b.submit(ctx, w, p, polite)
	if err != nil {
		return err
	}
	return <-done
}

// submit is write up to where the store has it; what becomes of it is sent once.
func (b *Broker) submit(ctx context.Context, w *task.QueueWrite, p *put, polite bool) (<-chan error, error) {
	if err := b.acquire(ctx, p.claims, polite); err != nil {
		return nil, err
	}
	p.into(w)
	w.Waiting = true
	done := make(chan error, 1)
	w.Done = func(err error) {
		b.mu.Lock()
		b.landed(p, w.Put, err, b.now())
		b.mu.Unlock()
		done <- err
	}
	b.cfg.Store.WriteQueues(w)
	return done, nil
}

// acquire takes the room for all claims; it waits for it as long as ctx.
func (b *Broker) acquire(ctx context.Context, claims []*claim, polite bool) error {
	b.mu.Lock()
	if err := b.usable(); err != nil {
		b.mu.Unlock()
		return err
	}
	wait, err := reserve(claims, nil, polite)
	b.touchClaims(claims)
	if !wait {
		b.mu.Unlock()
		return err
	}
	ready := make(chan error, 1)
	w := &waiter{claims: claims, ready: func(err error) { ready <- err }}
	w.stand()
	b.mu.Unlock()
	select {
	case err := <-ready:
		return err
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := w.step()
	if lines == nil {
		return <-ready // it was let go on in the same moment
	}
	for _, l := range lines {
		l.admit()
	}
	return stayedFull(claims)
}

// stayedFull is the refusal of what has waited for as long as it could.
func stayedFull(claims []*claim) error {
	at := slices.IndexFunc(claims, func(c *claim) bool { return c.lack() != room{} })
	return claims[max(0, at)].refuse()
}

// usable says why nothing can be written. The lock is held.
func (b *Broker) usable() error {
	switch {
	case b.closed:
		return errClosed
	case !b.opened:
		return errNotOpen
	}
	return nil
}

func (b *Broker) touchClaims(claims []*claim) {
	for _, c := range claims {
		b.touch(c.line)
	}
}

// adds reports whether the write has added a message to the queue.
func (p *put) adds(l *line, puts []task.Put) bool {
	for i, d := range p.drafts {
		if d.line == l && !puts[i].Duplicate {
			return true
		}
	}
	return false
}

// landed books what became of a put. The lock is held.
func (b *Broker) landed(p *put, puts []task.Put, err error, now int64) {
	for _, c := range p.claims {
		c.release()
		dropped := len(c.victims) > 0 && err == nil && p.adds(c.line, puts)
		for _, e := range c.victims {
			if !dropped {
				c.line.wait(e, now)
				continue
			}
			c.line.dropped++
			c.line.drops.pass(now, 0)
			c.line.remove(e, now)
		}
		c.victims = nil
	}
	if err == nil {
		for i, d := range p.drafts {
			b.arrive(d, puts[i].Duplicate, now)
		}
	}
	for _, c := range p.claims {
		c.line.admit()
		b.touch(c.line)
	}
}

// arrive makes a message visible that is on the disk. The lock is held.
func (b *Broker) arrive(d draft, duplicate bool, now int64) {
	l := d.line
	if duplicate {
		l.duplicates++
		return
	}
	l.posted++
	l.in.pass(now)
	b.last = max(b.last, d.message.Seq)
	e := newEntry(l, d.message)
	if d.orderBy == l.orderBy {
		e.lane, e.laned = d.lane, l.orderBy != ""
	}
	b.cache.keep(e, d.message.Body)
	l.insert(e, now)
}
