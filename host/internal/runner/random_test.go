package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// account is what the reports of one process must add up to.
type account struct {
	ready, failed, gone int
	live                string // the run that it is at
	entered             bool
}

// random commands to random processes, in any order: every launch is answered once, every
// ready process ends once, and every run that was handed over either returns or ends with
// its process.
func TestReportsAddUpWhateverIsAsked(t *testing.T) {
	t.Parallel()
	for seed := range uint64(150) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			h := newHouse(t, Config{MaxLaunches: 1 + rng.IntN(4)}, hosttest.Plugin{})
			h.values.Time = time.Duration(rng.IntN(100)) * time.Millisecond
			var launches atomic.Uint64
			h.launcher.Plugin = func(task.LaunchSpec) hosttest.Plugin {
				return randomPlugin(rand.New(rand.NewPCG(seed, launches.Add(1))))
			}
			accounts := map[task.ProcessID]*account{}
			take := func() {
				synctest.Wait()
				for len(h.reports) > 0 {
					r := <-h.reports
					if fault := accounts[r.Process()].take(r); fault != "" {
						t.Fatalf("seed %d: process %d: %s: %#v", seed, r.Process(), fault, r)
					}
				}
			}
			runs := 0
			for range 100 {
				id := task.ProcessID(1 + rng.IntN(12))
				a := accounts[id]
				switch rng.IntN(8) {
				case 0, 1:
					if a == nil {
						accounts[id] = &account{}
						def := definition()
						if rng.IntN(2) == 0 {
							def.Mode = task.Continuous
						}
						h.Launch(id, def)
					}
				case 2, 3:
					if a != nil && a.ready == 1 && a.gone == 0 && a.live == "" {
						runs++
						a.live = fmt.Sprint("r", runs)
						h.StartRun(id, task.RunStart{Run: a.live, Attempt: 1 + rng.IntN(2)})
					}
				case 4:
					if a != nil {
						h.Drain(id, a.live, time.Second, "random")
					}
				case 5:
					if a != nil {
						h.Cancel(id, a.live, task.CauseCancelled, time.Second)
					}
				case 6:
					if rng.IntN(3) == 0 {
						h.Kill(id)
					} else if a != nil && a.live == "" {
						h.Close(id)
					}
				case 7:
					time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
				}
				if rng.IntN(2) == 0 {
					take()
				}
			}
			h.Shutdown()
			take()
			for id, a := range accounts {
				if a.ready+a.failed != 1 || a.gone != a.ready {
					t.Fatalf("seed %d: process %d ends with %+v", seed, id, a)
				}
			}
			for _, p := range h.launcher.Processes() {
				if !closed(p.Done()) {
					t.Fatalf("seed %d: a process is left", seed)
				}
			}
		})
	}
}

func randomPlugin(rng *rand.Rand) hosttest.Plugin {
	upTo := func(d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }
	p := hosttest.Plugin{LaunchTime: upTo(2 * time.Second), ConfigureTime: upTo(2 * time.Second), CloseTime: upTo(4 * time.Second)}
	switch rng.IntN(10) {
	case 0:
		p.LaunchErr = &task.LaunchError{Kind: task.LaunchExited, Detail: "no"}
	case 1:
		p.ConfigureErr = errors.New("cannot open")
	case 2:
		p.DieConfigured = true
	case 3:
		p.ConfigureTime, p.Stuck = 0, true
	}
	kind, work := rng.IntN(4), upTo(3*time.Second) // 0 crashes, 1 returns before its commits are answered
	p.Run = func(ctx context.Context, r *hosttest.Run) task.RunResult {
		for i := range 5 {
			r.Beat("")
			r.CommitLater(r.Start.Run, task.Op{Kind: task.OpSaveRun, Key: "k", Value: json.RawMessage(fmt.Sprint(i))})
		}
		if kind > 1 {
			select {
			case <-time.After(work):
			case <-ctx.Done():
			case <-r.Stopping():
			}
		}
		if kind == 0 {
			r.Crash(task.ExitCause{Code: 1})
		}
		return task.RunResult{Status: task.StatusSucceeded}
	}
	return p
}

// take books one report and says what is wrong with it.
func (a *account) take(r task.Report) string {
	if a.gone > 0 || a.failed > 0 {
		return "a report after the end"
	}
	switch r := r.(type) {
	case task.ProcessReady:
		a.ready++
	case task.ProcessFailed:
		if a.failed++; a.ready > 0 {
			return "failed after it was ready"
		}
	case task.ProcessGone:
		if a.gone++; a.ready == 0 {
			return "gone before it was ready"
		}
	case task.RunEntered:
		if r.Run != a.live || a.entered {
			return "enters the wrong run"
		}
		a.entered = true
	case task.RunReturned:
		if r.Result.Run != a.live || !a.entered {
			return "returns from the wrong run"
		}
		if !r.SavedValues {
			return "returns before its commits"
		}
		a.live, a.entered = "", false
	}
	return ""
}
