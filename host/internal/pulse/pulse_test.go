package pulse

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// log keeps what is said.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// deaf is a process that does not answer while it is told so.
type deaf struct {
	task.Process
	mu  sync.Mutex
	is  bool
	err error // with which it refuses
}

func (d *deaf) set(is bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.is, d.err = is, err
}

func (d *deaf) Ping(ctx context.Context) error {
	d.mu.Lock()
	is, err := d.is, d.err
	d.mu.Unlock()
	if is {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}

// deafLauncher starts processes that can be made deaf.
type deafLauncher struct {
	hosttest.Launcher
	all []*deaf
}

func (l *deafLauncher) Launch(ctx context.Context, spec task.LaunchSpec) (task.Process, error) {
	p, err := l.Launcher.Launch(ctx, spec)
	if err != nil {
		return nil, err
	}
	l.all = append(l.all, &deaf{Process: p})
	return l.all[len(l.all)-1], nil
}

func inPulse(t *testing.T, n int, f func(l *Launcher, all []*deaf, said *log)) {
	synctest.Test(t, func(t *testing.T) {
		inner, said := &deafLauncher{}, &log{}
		l := New(inner, hclog.New(&hclog.LoggerOptions{Output: said}))
		defer l.Close()
		for range n {
			if _, err := l.Launch(t.Context(), task.LaunchSpec{Task: "t"}); err != nil {
				t.Fatal(err)
			}
		}
		f(l, inner.all, said)
	})
}

// later lets rounds pass: those that begin now, and the one that is under way.
func later(rounds int) {
	<-time.After(time.Duration(rounds+1)*every + patient + time.Second)
	synctest.Wait()
}

func pids(l *Launcher) []int { return slices.Sorted(maps.Keys(l.Unresponsive())) }

func TestAProcessThatDoesNotAnswerIsKnownUntilItDoes(t *testing.T) {
	inPulse(t, 3, func(l *Launcher, all []*deaf, said *log) {
		later(1)
		if got := pids(l); len(got) > 0 || said.count("answer") > 0 {
			t.Errorf("at first: %v", got)
		}
		all[1].set(true, nil)
		later(3)
		if got := pids(l); !slices.Equal(got, []int{all[1].Info().PID}) || said.count("does not answer: task=t") != 1 {
			t.Errorf("deaf: %v, said %d times", got, said.count("does not answer"))
		}
		all[1].set(false, nil)
		later(1)
		if got := pids(l); len(got) > 0 || said.count("answers again") != 1 {
			t.Errorf("well again: %v, said %d times", got, said.count("answers again"))
		}
	})
}

func TestAProcessThatRefusesOrHasEndedIsNotUnresponsive(t *testing.T) {
	inPulse(t, 2, func(l *Launcher, all []*deaf, _ *log) {
		all[0].set(false, errors.New("it is closing"))
		all[1].set(true, nil)
		later(1)
		if got := pids(l); !slices.Equal(got, []int{all[1].Info().PID}) {
			t.Errorf("unresponsive: %v", got)
		}
		all[1].Kill()
		<-all[1].Done()
		if got := pids(l); len(got) > 0 {
			t.Errorf("after its end: %v", got)
		}
		later(1)
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.live) != 1 {
			t.Errorf("%d processes are remembered, want the one that lives", len(l.live))
		}
	})
}

func TestOneThatDoesNotAnswerKeepsNoneOfTheOthersFromBeingAsked(t *testing.T) {
	inPulse(t, abreast, func(l *Launcher, all []*deaf, _ *log) {
		for _, d := range all[1:] {
			d.set(true, nil)
		}
		later(1)
		if got := l.Unresponsive(); len(got) != abreast-1 || got[all[0].Info().PID] {
			t.Errorf("%d are unresponsive", len(got))
		}
	})
}

// counted notes when it is asked.
type counted struct {
	task.Process
	pid   int
	asked *[]time.Time
}

func (c counted) Info() task.ProcessInfo { return task.ProcessInfo{PID: c.pid} }

func (c counted) Ping(context.Context) error {
	*c.asked = append(*c.asked, time.Now())
	return nil
}

func TestProcessesAreNotAskedAllAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		asked := make([][]time.Time, n)
		live := map[task.Process]*pulse{}
		for i := range n {
			p, err := (&hosttest.Launcher{}).Launch(t.Context(), task.LaunchSpec{Task: "t"})
			if err != nil {
				t.Fatal(err)
			}
			live[counted{p, i + 1, &asked[i]}] = &pulse{}
		}
		l := New(&hosttest.Launcher{}, hclog.NewNullLogger())
		l.mu.Lock()
		l.live = live
		l.mu.Unlock()
		later(3)
		l.Close()
		var all []time.Time
		for i, times := range asked {
			all = append(all, times...)
			for j := range times[1:] {
				if gap := times[j+1].Sub(times[j]); gap != every {
					t.Errorf("process %d is asked again after %v", i, gap)
				}
			}
		}
		slices.SortFunc(all, time.Time.Compare)
		for i := range all[1:] {
			if gap := all[i+1].Sub(all[i]); gap != every/n {
				t.Fatalf("two are asked within %v, want %v", gap, every/n)
			}
		}
		if len(all) < 3*n {
			t.Errorf("%d questions in three rounds", len(all))
		}
	})
}

func TestAFailedLaunchIsNotAskedAfter(t *testing.T) {
	l := New(&hosttest.Launcher{Plugin: func(task.LaunchSpec) hosttest.Plugin { return hosttest.Plugin{LaunchErr: errors.New("no")} }}, hclog.NewNullLogger())
	defer l.Close()
	if _, err := l.Launch(t.Context(), task.LaunchSpec{Task: "t"}); err == nil || len(l.live) > 0 {
		t.Errorf("error %v, %d remembered", err, len(l.live))
	}
}

func TestAProcessThatADebuggerHoldsIsNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner, said := &deafLauncher{}, &log{}
		l := New(inner, hclog.New(&hclog.LoggerOptions{Output: said}))
		defer l.Close()
		for _, debug := range []bool{true, false} {
			if _, err := l.Launch(t.Context(), task.LaunchSpec{Task: "t", Debug: debug}); err != nil {
				t.Fatal(err)
			}
			inner.all[len(inner.all)-1].set(true, nil)
		}
		later(1)
		if got := pids(l); !slices.Equal(got, []int{inner.all[1].Info().PID}) {
			t.Errorf("unresponsive: %v; the first is under a debugger", got)
		}
	})
}
