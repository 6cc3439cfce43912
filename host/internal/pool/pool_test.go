package pool

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stand is a pool over processes in memory.
type stand struct {
	t     *testing.T
	inner *hosttest.Launcher
	pool  *Launcher
	max   int

	mu    sync.Mutex
	moved map[string]string
}

// inPool runs a test in a bubble; plugin says how each task behaves.
func inPool(t *testing.T, plugin func(name string) hosttest.Plugin, test func(*testing.T, *stand)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stand{t: t, max: 100, moved: map[string]string{}}
		s.inner = &hosttest.Launcher{Plugin: func(spec task.LaunchSpec) hosttest.Plugin { return plugin(spec.Task) }}
		s.pool = New(s.inner)
		test(t, s)
		for _, p := range s.inner.Processes() {
			p.Kill()
		}
		synctest.Wait()
		if n := len(s.pool.homes); n > 0 {
			t.Errorf("%d homes are left of processes that are gone", n)
		}
	})
}

func tame(string) hosttest.Plugin { return hosttest.Plugin{} }

func (s *stand) spec(name string) task.LaunchSpec {
	return task.LaunchSpec{
		Task: name, Plugin: "http", Path: "/copies/http", Digest: "d", Env: map[string]string{"A": "b"},
		Share: &task.Share{Block: "check", Max: s.max, Move: func(reason string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.moved[name] = reason
		}},
	}
}

// moves returns who was told to move, and forgets it.
func (s *stand) moves() map[string]string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	moved := s.moved
	s.moved = map[string]string{}
	return moved
}

// member is a task that is open in a process.
type member struct {
	task.Process
	session task.Session
	name    string
}

func (s *stand) launch(name string) *member {
	s.t.Helper()
	p, err := s.pool.Launch(s.t.Context(), s.spec(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return &member{Process: p, name: name}
}

func (s *stand) open(name string) *member {
	s.t.Helper()
	m := s.launch(name)
	if err := m.Configure(s.t.Context(), task.Configure{Task: name}); err != nil {
		s.t.Fatal(err)
	}
	session, err := m.Open(s.t.Context(), &quiet{})
	if err != nil {
		s.t.Fatal(err)
	}
	m.session = session
	return m
}

func (s *stand) start(m *member) {
	s.t.Helper()
	if err := m.session.StartRun(task.RunStart{Run: "run of " + m.name}); err != nil {
		s.t.Fatal(err)
	}
	synctest.Wait()
}

func (s *stand) leave(m *member) {
	s.t.Helper()
	if err := m.Drain(s.t.Context(), "", time.Second, "no longer needed"); err != nil {
		s.t.Fatal(err)
	}
}

// ended reports whether nothing of the member is left, as of now.
func (m *member) ended() bool {
	synctest.Wait()
	select {
	case <-m.Done():
		return true
	default:
		return false
	}
}

// quiet takes reports and says nothing.
type quiet struct{ task.Reports }

func (quiet) RunEntered(string, time.Time) {}
func (quiet) RunEnded(task.RunResult)      {}
func (quiet) Lost(error)                   {}

// atWork is a run that goes on until it is cancelled, or, when it is deaf, until the process dies.
func atWork(deaf bool) func(context.Context, *hosttest.Run) task.RunResult {
	return func(ctx context.Context, r *hosttest.Run) task.RunResult {
		if deaf {
			<-r.Dead()
		}
		<-ctx.Done()
		return task.RunResult{Status: task.StatusFailed}
	}
}

// busy makes every task work until it is cancelled; those whose name begins with "deaf" are deaf.
func busy(name string) hosttest.Plugin {
	return hosttest.Plugin{Run: atWork(strings.HasPrefix(name, "deaf"))}
}

func names(prefix string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%s%d", prefix, i))
	}
	return all
}

func (s *stand) openAll(all []string) (members []*member) {
	s.t.Helper()
	for _, name := range all {
		members = append(members, s.open(name))
	}
	return members
}

func TestTasksShareAProcessUpToItsBound(t *testing.T) {
	inPool(t, tame, func(t *testing.T, s *stand) {
		s.max = 2
		all := s.openAll(names("t", 5))
		if n := len(s.inner.Processes()); n != 3 {
			t.Errorf("5 tasks, 2 to a process, are in %d processes", n)
		}
		if all[0].Info().PID != all[1].Info().PID || all[0].Info().PID == all[2].Info().PID {
			t.Errorf("processes %d, %d, %d", all[0].Info().PID, all[1].Info().PID, all[2].Info().PID)
		}
		spec := s.inner.Processes()[0].Spec
		if spec.Task != "check" || spec.Env["A"] != "b" || spec.Env["GODEBUG"] != "tracebacklabels=1" {
			t.Errorf("the process was launched for %q in %v", spec.Task, spec.Env)
		}
	})
}

func TestTasksOfAnotherEnvironmentAccountOrBinarySitElsewhere(t *testing.T) {
	inPool(t, tame, func(t *testing.T, s *stand) {
		s.open("t")
		for i, change := range []func(*task.LaunchSpec){
			func(spec *task.LaunchSpec) { spec.Env = map[string]string{"A": "c"} },
			func(spec *task.LaunchSpec) { spec.User = "www" },
			func(spec *task.LaunchSpec) { spec.Group = "www" },
			func(spec *task.LaunchSpec) { spec.Path = "/copies/newer" },
			func(spec *task.LaunchSpec) { spec.Share.Block = "other" },
		} {
			spec := s.spec("other")
			change(&spec)
			if _, err := s.pool.Launch(t.Context(), spec); err != nil {
				t.Fatal(err)
			}
			if n := len(s.inner.Processes()); n != i+2 {
				t.Errorf("change %d: %d processes, want %d", i, n, i+2)
			}
		}
	})
}

func TestTasksThatComeTogetherWaitForOneLaunch(t *testing.T) {
	slow := func(string) hosttest.Plugin { return hosttest.Plugin{LaunchTime: time.Second} }
	inPool(t, slow, func(t *testing.T, s *stand) {
		var all sync.WaitGroup
		for _, name := range names("t", 10) {
			all.Go(func() { s.open(name) })
		}
		all.Wait()
		if n := len(s.inner.Processes()); n != 1 {
			t.Errorf("10 tasks that came together launched %d processes", n)
		}
	})
}

func TestALaunchThatFailsFailsAllWhoWaitAndTheNextTriesAnew(t *testing.T) {
	refused := errors.New("no such binary")
	fails := func(string) hosttest.Plugin { return hosttest.Plugin{LaunchTime: time.Second, LaunchErr: refused} }
	inPool(t, fails, func(t *testing.T, s *stand) {
		var all sync.WaitGroup
		for _, name := range names("t", 3) {
			all.Go(func() {
				if _, err := s.pool.Launch(t.Context(), s.spec(name)); !errors.Is(err, refused) {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		all.Wait()
		s.inner.Plugin = func(task.LaunchSpec) hosttest.Plugin { return hosttest.Plugin{} }
		s.open("later")
	})
}

func TestALaunchGoesOnUntilNobodyWaitsForItAnyMore(t *testing.T) {
	slow := func(string) hosttest.Plugin { return hosttest.Plugin{LaunchTime: time.Minute} }
	inPool(t, slow, func(t *testing.T, s *stand) {
		ctx, giveUp := context.WithCancel(t.Context())
		var first, second sync.WaitGroup
		first.Go(func() {
			var stopped *task.LaunchError
			if _, err := s.pool.Launch(ctx, s.spec("a")); !errors.As(err, &stopped) || stopped.Kind != task.LaunchStopped {
				t.Errorf("the one who gave up got %v", err)
			}
		})
		synctest.Wait()
		second.Go(func() { s.open("b") })
		synctest.Wait()
		giveUp()
		first.Wait()
		second.Wait()
		if n := s.inner.MostLaunching(); n != 1 {
			t.Errorf("%d launches for two who waited", n)
		}
	})
	inPool(t, slow, func(t *testing.T, s *stand) {
		ctx, giveUp := context.WithTimeout(t.Context(), time.Second)
		defer giveUp()
		if _, err := s.pool.Launch(ctx, s.spec("a")); err == nil {
			t.Error("a launch of a minute was up within a second")
		}
		synctest.Wait()
		if n := len(s.inner.Processes()); n != 0 {
			t.Errorf("%d processes were launched for nobody", n)
		}
	})
}

func TestATaskThatLeavesLeavesTheOthersAloneAndTheLastEndsTheProcess(t *testing.T) {
	inPool(t, tame, func(t *testing.T, s *stand) {
		a, b := s.open("a"), s.open("b")
		s.leave(a)
		if !a.ended() || !a.Exit().Left {
			t.Errorf("a has ended: %t, %+v", a.ended(), a.Exit())
		}
		if b.ended() {
			t.Error("b ended with a")
		}
		s.leave(b)
		if !b.ended() {
			t.Error("b is not gone")
		}
		select {
		case <-s.inner.Processes()[0].Done():
		case <-time.After(emptyTime + time.Second):
			t.Error("an empty process lives on")
		}
		s.open("c")
		if n := len(s.inner.Processes()); n != 2 {
			t.Errorf("%d processes, want a second one", n)
		}
	})
}

func TestAnEmptyProcessThatDoesNotEndIsKilled(t *testing.T) {
	inPool(t, tame, func(t *testing.T, s *stand) {
		a := s.launch("a") // never configured: the plugin has closed nothing and so does not end
		a.Kill()
		if !a.ended() {
			t.Error("a seat that was never used is not given back at once")
		}
		<-time.After(emptyTime)
		if exit := awaitExit(t, s.inner.Processes()[0]); !exit.ByHost {
			t.Errorf("it ended: %+v", exit)
		}
	})
}

func awaitExit(t *testing.T, p *hosttest.Process) task.ExitCause {
	t.Helper()
	synctest.Wait()
	select {
	case <-p.Done():
	default:
		t.Fatal("the process lives")
	}
	return p.Exit()
}

func TestAKillOfAnIdleTaskTakesItOutOfItsProcess(t *testing.T) {
	inPool(t, tame, func(t *testing.T, s *stand) {
		a, b := s.open("a"), s.open("b")
		a.Kill()
		a.Kill()
		if !a.ended() || b.ended() {
			t.Errorf("a has ended: %t, b has ended: %t", a.ended(), b.ended())
		}
		if moved := s.moves(); len(moved) > 0 {
			t.Errorf("told to move: %v", moved)
		}
	})
}

func TestAKillOfATaskAtWorkWaitsUntilTheOthersHaveMoved(t *testing.T) {
	inPool(t, busy, func(t *testing.T, s *stand) {
		deaf, idle, working := s.open("deaf"), s.open("idle"), s.open("working")
		s.start(deaf)
		s.start(working)
		deaf.Kill()
		moved := s.moves()
		if len(moved) != 2 || !strings.Contains(moved["idle"], "task deaf") {
			t.Errorf("told to move: %v", moved)
		}
		fresh := s.open("newcomer")
		if fresh.Info().PID == deaf.Info().PID {
			t.Error("somebody may join a process that will be killed")
		}
		s.leave(idle)
		if deaf.ended() {
			t.Error("it was killed while another was at work")
		}
		if err := working.Cancel(t.Context(), "run of working", task.CauseCancelled, 0); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		began := time.Now()
		s.leave(working)
		if !deaf.ended() || time.Since(began) > 0 {
			t.Errorf("deaf has ended: %t, %v after the last innocent had left", deaf.ended(), time.Since(began))
		}
		if e := deaf.Exit(); !e.ByHost || e.Neighbour != "" {
			t.Errorf("its own end: %+v", e)
		}
		if working.Exit().Neighbour != "" || !working.Exit().Left {
			t.Errorf("who had left in time: %+v", working.Exit())
		}
	})
}

func TestAKillWaitsForInnocentRunsAsLongAsTheLadderAllows(t *testing.T) {
	inPool(t, busy, func(t *testing.T, s *stand) {
		deaf, working := s.open("deaf"), s.open("working")
		s.start(deaf)
		s.start(working)
		began := time.Now()
		deaf.Kill()
		<-deaf.Done()
		if took := time.Since(began); took != moveTime {
			t.Errorf("it was killed after %v, want %v", took, moveTime)
		}
		<-working.Done()
		if e := working.Exit(); e.Neighbour != "deaf" || !e.ByHost || e.Text() != "killed because of task deaf, which shared it" {
			t.Errorf("the innocent's end: %q %+v", e.Text(), e)
		}
	})
}

func TestWhenAllAreKilledNobodyIsWaitedFor(t *testing.T) {
	inPool(t, busy, func(t *testing.T, s *stand) {
		all := s.openAll(names("deaf", 5))
		for _, m := range all {
			s.start(m)
		}
		began := time.Now()
		for _, m := range all {
			m.Kill()
		}
		for _, m := range all {
			<-m.Done()
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}

func TestNeighboursMoveBeforeARunThatDoesNotHeedItsCancelIsKilled(t *testing.T) {
	inPool(t, busy, func(t *testing.T, s *stand) {
		deaf, prompt, other := s.open("deaf"), s.open("prompt"), s.open("other")
		for _, m := range []*member{prompt, deaf} {
			s.start(m)
			if err := m.Cancel(t.Context(), "run of "+m.name, task.CauseTimeout, 5*time.Second); err != nil {
				t.Fatal(err)
			}
			<-time.After(suspectTime)
			moved := s.moves()
			if m == prompt && len(moved) > 0 {
				t.Errorf("a run that ended in time has moved %v", moved)
			}
			if m == deaf && (len(moved) != 3 || !strings.Contains(moved["other"], "does not heed its cancel")) {
				t.Errorf("told to move: %v", moved)
			}
		}
		if other.ended() || deaf.ended() {
			t.Error("something was killed before its time")
		}
	})
}

func TestACloseThatDoesNotEndBringsTheProcessDown(t *testing.T) {
	stuck := func(name string) hosttest.Plugin { return hosttest.Plugin{Stuck: name == "stuck"} }
	inPool(t, stuck, func(t *testing.T, s *stand) {
		bad, good := s.open("stuck"), s.open("good")
		began := time.Now()
		bad.Kill()
		<-bad.Done()
		if took := time.Since(began); took != 2*moveTime {
			t.Errorf("it took %v", took)
		}
		<-good.Done()
		if good.Exit().Neighbour != "stuck" {
			t.Errorf("the other's end: %+v", good.Exit())
		}
	})
}

func TestAConfigThatIsRejectedHarmsNobody(t *testing.T) {
	rejects := func(name string) hosttest.Plugin {
		if name == "bad" {
			return hosttest.Plugin{ConfigureErr: &task.ConfigError{}}
		}
		return hosttest.Plugin{}
	}
	inPool(t, rejects, func(t *testing.T, s *stand) {
		good, bad := s.open("good"), s.launch("bad")
		if err := bad.Configure(t.Context(), task.Configure{Task: "bad"}); err == nil {
			t.Fatal("it was accepted")
		}
		bad.Kill()
		if !bad.ended() || good.ended() {
			t.Errorf("bad has ended: %t, good has ended: %t", bad.ended(), good.ended())
		}
	})
}

func TestATaskThatIsOpenedWhileANeighbourCrashesIsOpenedElsewhere(t *testing.T) {
	plugin := func(name string) hosttest.Plugin {
		p := hosttest.Plugin{Run: atWork(false)}
		if name == "opening" {
			p.ConfigureTime = time.Second
		}
		return p
	}
	inPool(t, plugin, func(t *testing.T, s *stand) {
		bad := s.open("bad")
		s.start(bad)
		time.AfterFunc(time.Second/2, func() { s.inner.Processes()[0].Die(crashOf("bad")) })
		m := s.open("opening")
		if m.Info().PID == bad.Info().PID || m.ended() {
			t.Errorf("it is in process %d, ended: %t", m.Info().PID, m.ended())
		}
	})
}

// crashOf is the end of a process in whose task's author code a panic was.
func crashOf(name string) task.ExitCause {
	return task.ExitCause{Code: 2, Stderr: []string{"secrets of " + name}, Panic: "panic: no luck\n\ngoroutine 7 [running labels:{\"taskhost.task\": \"" + name + "\"}]:\nmain.main()\n\ngoroutine 8 [select labels:{\"taskhost.task\": \"other\"}]:"}
}

func TestACrashIsTheFaultOfTheTaskThatItNames(t *testing.T) {
	inPool(t, busy, func(t *testing.T, s *stand) {
		all := s.openAll([]string{"guilty", "working", "idle"})
		s.start(all[0])
		s.start(all[1])
		s.inner.Processes()[0].Die(crashOf("guilty"))
		for _, m := range all {
			<-m.Done()
			e := m.Exit()
			if m.name == "guilty" {
				if e.Neighbour != "" || e.Panic == "" {
					t.Errorf("guilty: %+v", e)
				}
				continue
			}
			if e.Neighbour != "guilty" || e.Panic != "" || e.Stderr != nil {
				t.Errorf("%s: %+v", m.name, e)
			}
		}
		guilty, working := s.open("guilty"), s.open("working")
		if guilty.Info().PID == working.Info().PID {
			t.Error("who brought a process down sits with others again")
		}
		<-time.After(apartTime + time.Second)
		s.leave(guilty)
		if s.open("guilty").Info().PID != working.Info().PID {
			t.Error("it sits apart for ever")
		}
	})
}

func TestSuspectsAreHalvedUntilTheGuiltyOneIsAlone(t *testing.T) {
	inPool(t, busy, func(t *testing.T, s *stand) {
		crashes := 0
		members := map[string]*member{}
		for _, name := range names("t", 16) {
			members[name] = s.open(name)
			s.start(members[name])
		}
		alone := func() bool {
			n := 0
			for _, m := range members {
				if m.Info().PID == members["t5"].Info().PID {
					n++
				}
			}
			return n == 1
		}
		for ; !alone(); crashes++ {
			if crashes > 4 {
				t.Fatal("16 suspects are not told apart by 4 crashes")
			}
			s.inner.Processes()[members["t5"].Info().PID-1000].Die(task.ExitCause{Code: 3}) // os.Exit names nobody
			for name, m := range members {
				if !m.ended() {
					continue
				}
				if m.Exit().Neighbour != "" {
					t.Errorf("%s was at work and nobody knows whose fault it is: %+v", name, m.Exit())
				}
				members[name] = s.open(name)
				s.start(members[name])
			}
		}
		if crashes != 4 {
			t.Errorf("it took %d crashes, want 4", crashes)
		}
	})
}

func TestNobodyWhoIsNotSuspectedSitsWithSuspects(t *testing.T) {
	inPool(t, busy, func(t *testing.T, s *stand) {
		a, b := s.open("a"), s.open("b")
		s.start(a)
		s.start(b)
		s.inner.Processes()[0].Die(task.ExitCause{Code: 3})
		<-a.Done()
		if s.open("a").Info().PID == s.open("newcomer").Info().PID {
			t.Error("a newcomer sits with a suspect")
		}
	})
}

func TestWhoWasIdleIsInnocentOfACrash(t *testing.T) {
	inPool(t, busy, func(t *testing.T, s *stand) {
		all := s.openAll([]string{"a", "b", "idle"})
		s.start(all[0])
		s.start(all[1])
		s.inner.Processes()[0].Die(task.ExitCause{Code: 3})
		<-all[2].Done()
		if e := all[2].Exit(); e.Neighbour != task.AnyNeighbour {
			t.Errorf("%+v", e)
		}
	})
	inPool(t, busy, func(t *testing.T, s *stand) {
		idle := s.open("idle")
		s.inner.Processes()[0].Die(task.ExitCause{Code: 3})
		<-idle.Done()
		if e := idle.Exit(); e.Neighbour != "" || e.Code != 3 {
			t.Errorf("a crash that nobody was at work in: %+v", e)
		}
	})
}

func TestATaskWithoutShareGetsItsOwnProcess(t *testing.T) {
	inPool(t, tame, func(t *testing.T, s *stand) {
		spec := s.spec("own")
		spec.Share = nil
		p, err := s.pool.Launch(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		if p != task.Process(s.inner.Processes()[0]) {
			t.Errorf("it got a %T", p)
		}
	})
}
