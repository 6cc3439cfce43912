package queue

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// gate lets so many through at a time.
type gate struct {
	most int

	mu      sync.Mutex
	inside  map[uint64]bool
	waiting []uint64
	through map[uint64]func()
	joins   int
}

func newGate(most int) *gate {
	return &gate{most: most, inside: map[uint64]bool{}, through: map[uint64]func(){}}
}

func (g *gate) Join(ticket uint64, _, _ string, _ []string, through func()) {
	g.mu.Lock()
	g.joins++
	g.waiting = append(g.waiting, ticket)
	g.through[ticket] = through
	g.mu.Unlock()
	g.pass()
}

func (g *gate) Leave(ticket uint64) {
	g.mu.Lock()
	delete(g.inside, ticket)
	delete(g.through, ticket)
	g.mu.Unlock()
	g.pass()
}

// set changes how many pass.
func (g *gate) set(most int) {
	g.mu.Lock()
	g.most = most
	g.mu.Unlock()
	g.pass()
}

func (g *gate) pass() {
	for {
		g.mu.Lock()
		var through func()
		for through == nil && len(g.waiting) > 0 && len(g.inside) < g.most {
			ticket := g.waiting[0]
			g.waiting = g.waiting[1:]
			if through = g.through[ticket]; through != nil {
				g.inside[ticket] = true
			}
		}
		g.mu.Unlock()
		if through == nil {
			return
		}
		through()
	}
}

func (g *gate) now() (inside, asking int) {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.inside), len(g.through) - len(g.inside)
}

func TestEveryDeliveryOfATaskWithGroupsHasATicket(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newGate(2)
		b := lay(t, &hosttest.QueueStore{}, g, []task.Queue{spec("q")})
		def := consumes("q", func(d *task.Definition) { d.Groups = []string{"upstream"} })
		one, two := b.consume(def, 10), b.consume(def, 10)
		b.post("q", "1", "2", "3", "4")
		held := append(one.take(), two.take()...)
		wants(t, "in hand", len(held), 2)
		inside, asking := g.now()
		wants(t, "inside and asking", []int{inside, asking}, []int{2, 2}) // one for each process
		wants(t, "ready", b.status("q").Ready, 2)                         // nothing is taken out before its ticket is through
		one.Close("")
		two.Close("")
		inside, asking = g.now()
		wants(t, "after the end", []int{inside, asking}, []int{0, 0})

		free := b.consume(consumes("q"), 10)
		wants(t, "without groups", len(free.take()), 4)
	})
}

func TestATicketForWhichThereIsNoMessageAnyMoreIsGivenBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newGate(0)
		b := lay(t, &hosttest.QueueStore{}, g, []task.Queue{spec("q")})
		h := b.consume(consumes("q", func(d *task.Definition) { d.Groups = []string{"upstream"} }), 10)
		b.post("q", "1")
		h.expect()
		free := b.consume(consumes("q"), 10)
		free.settle(task.StatusSucceeded, free.expect("1"))
		g.set(1)
		inside, asking := g.now()
		wants(t, "inside and asking", []int{inside, asking}, []int{0, 0})
		free.Close("")
		b.post("q", "2")
		ds := h.expect("2")
		inside, _ = g.now()
		wants(t, "inside", inside, 1)
		h.settle(task.StatusFailed, ds)
		inside, _ = g.now()
		wants(t, "inside", inside, 0)
		wants(t, "joins", g.joins, 2)
	})
}
