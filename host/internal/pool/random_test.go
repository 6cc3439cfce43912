package pool

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Whatever tasks do in their processes and whatever is asked of them, each lease ends within its bound, nothing is
// left, and no innocent end is without a name for it.
func TestEveryLeaseEndsWhateverItsNeighboursDo(t *testing.T) {
	inPool(t, busy, func(t *testing.T, s *stand) {
		s.max = 4
		all := append(names("t", 12), names("deaf", 4)...)
		var users sync.WaitGroup
		for i, name := range all {
			users.Go(func() {
				dice := rand.New(rand.NewPCG(uint64(i), 1))
				for range 30 {
					s.live(t, name, dice)
				}
			})
		}
		users.Wait()
	})
}

// live is one life of a task in a process: opened, perhaps at work, and ended in one of the ways there are.
func (s *stand) live(t *testing.T, name string, dice *rand.Rand) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	pass := func() { <-time.After(time.Duration(dice.IntN(1500)) * time.Millisecond) }
	p, err := s.pool.Launch(ctx, s.spec(name))
	if err != nil {
		t.Errorf("launch %s: %v", name, err)
		return
	}
	defer func() {
		began := time.Now()
		p.Kill()
		<-p.Done()
		if took := time.Since(began); took > 2*moveTime {
			t.Errorf("%s took %v to end", name, took)
		}
		if e := p.Exit(); e.Neighbour == name {
			t.Errorf("%s is its own neighbour", name)
		}
	}()
	if p.Configure(ctx, task.Configure{Task: name}) != nil {
		return
	}
	session, err := p.Open(ctx, &quiet{})
	if err != nil {
		return
	}
	pass()
	run := "run of " + name
	switch dice.IntN(5) {
	case 0:
		_ = p.Drain(ctx, "", time.Second, "enough")
	case 1:
		if session.StartRun(task.RunStart{Run: run}) == nil {
			pass()
			_ = p.Cancel(ctx, run, task.CauseCancelled, 2*time.Second)
			pass()
			if strings.HasPrefix(name, "t") {
				_ = p.Drain(ctx, "", time.Second, "enough")
			}
		}
	case 2:
		if session.StartRun(task.RunStart{Run: run}) == nil {
			pass()
			s.crash(p)
		}
	case 3:
		if session.StartRun(task.RunStart{Run: run}) == nil {
			pass()
		}
	}
}

// crash ends the process that the lease has a seat in.
func (s *stand) crash(p task.Process) {
	s.inner.Processes()[p.Info().PID-1000].Die(task.ExitCause{Code: 3})
}
