package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type plugins struct{}

func (plugins) Lookup(name, digest string) (string, bool) {
	return "/copies/" + digest + "/" + name, name != "missing"
}

// house is a Runner with everything around it.
type house struct {
	*Runner
	t        *testing.T
	launcher *hosttest.Launcher
	values   *hosttest.Values
	log      *hosttest.Log
	reports  chan task.Report
}

// inHouse runs a test in a bubble with a Runner whose processes behave as plugin says.
func inHouse(t *testing.T, plugin hosttest.Plugin, test func(h *house)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Config{}, plugin)
		defer h.Shutdown()
		test(h)
	})
}

func newHouse(t *testing.T, cfg Config, plugin hosttest.Plugin) *house {
	h := &house{
		t:        t,
		launcher: &hosttest.Launcher{Plugin: func(task.LaunchSpec) hosttest.Plugin { return plugin }},
		values:   &hosttest.Values{},
		log:      &hosttest.Log{},
		reports:  make(chan task.Report, 1<<16),
	}
	cfg.Launcher, cfg.Values, cfg.Plugins = h.launcher, h.values, plugins{}
	cfg.Version = func(string, string) string { return "1.0.0" }
	cfg.Logs = func(string) task.LogSink { return h.log }
	cfg.Report = func(name string, r task.Report) { h.reports <- r }
	h.Runner = New(cfg)
	return h
}

func definition() *task.Definition {
	return &task.Definition{
		Name: "sync", Plugin: "http", Type: "fetch", Mode: task.Periodic, StartTimeout: 10 * time.Second,
		Env:    map[string]string{"A": "b"},
		Config: task.Config{Digest: "d1", SchemaHash: "s1", Msgpack: []byte{0x80}},
		Stop:   task.Ladder{Drain: 7 * time.Second, Cancel: time.Second},
	}
}

// next returns the next report, which must be of type R. Signs of life that are not
// asked for are passed over: how many there are depends on who is scheduled first.
func next[R task.Report](h *house) R {
	h.t.Helper()
	for {
		select {
		case r := <-h.reports:
			want, ok := r.(R)
			if ok {
				return want
			}
			if _, alive := r.(task.Alive); !alive {
				h.t.Fatalf("got report %#v, want %T", r, want)
			}
		case <-time.After(time.Hour):
			var want R
			h.t.Fatalf("no report, want %T", want)
		}
	}
}

func (h *house) quiet() {
	h.t.Helper()
	synctest.Wait()
	select {
	case r := <-h.reports:
		h.t.Fatalf("unexpected report %#v", r)
	default:
	}
}

// up launches a process and waits until it is ready.
func (h *house) up(id task.ProcessID) *hosttest.Process {
	h.t.Helper()
	h.Launch(id, definition())
	if r := next[task.ProcessReady](h); r.ID != id {
		h.t.Fatalf("got %+v", r)
	}
	all := h.launcher.Processes()
	return all[len(all)-1]
}

func start(run string) task.RunStart { return task.RunStart{Run: run, Attempt: 1} }

func TestAProcessIsLaunchedConfiguredAndRuns(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{LaunchTime: time.Second, Run: func(context.Context, *hosttest.Run) task.RunResult {
		return task.RunResult{Status: task.StatusSucceeded, Result: json.RawMessage(`{"n":1}`)}
	}}, func(h *house) {
		p := h.up(1)
		want := task.LaunchSpec{Task: "sync", Plugin: "http", Version: "1.0.0", Path: "/copies/d1/http", Digest: "d1", Env: map[string]string{"A": "b"}, Timeout: 10 * time.Second, Drain: drainAlone, Log: h.log}
		if diff := cmp.Diff(want, p.Spec, cmp.Comparer(func(a, b *hosttest.Log) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
		if c := p.Configured(); c.Task != "sync" || c.Type != "fetch" || c.SchemaHash != "s1" || len(c.Config) != 1 || c.Mode != task.Periodic {
			t.Errorf("configured with %+v", c)
		}
		for _, run := range []string{"r1", "r2"} {
			h.StartRun(1, start(run))
			if r := next[task.RunEntered](h); r.Run != run {
				t.Errorf("got %+v", r)
			}
			if r := next[task.RunReturned](h); r.Result.Run != run || string(r.Result.Result) != `{"n":1}` || r.SavedValues {
				t.Errorf("got %+v", r)
			}
		}
		h.Close(1)
		if r := next[task.ProcessGone](h); !r.Exit.ByHost {
			t.Errorf("got %+v", r)
		}
		if diff := cmp.Diff([]string{""}, p.Drains()); diff != "" {
			t.Errorf("drains: %s", diff)
		}
		h.StartRun(1, start("r3")) // nothing: the process is gone
		h.Kill(1)
		h.quiet()
		var texts []string
		for _, l := range h.log.Lines() {
			texts = append(texts, l.Stream+" "+l.Level+" "+l.Message)
		}
		wantLines := []string{`host info launched plugin "http" 1.0.0 as process 1000`, "host info process 1000 ended: ended by signal: killed (by the host)"}
		if diff := cmp.Diff(wantLines, texts); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAFailedStartLeavesNothingAndSaysWhy(t *testing.T) {
	t.Parallel()
	rejected := &task.ConfigError{Problems: []task.ConfigProblem{{Path: "url", Summary: "no host"}}}
	notExec := &task.LaunchError{Kind: task.LaunchNotExec, Detail: "not executable"}
	for _, c := range []struct {
		name   string
		plugin hosttest.Plugin
		def    func(*task.Definition)
		kind   task.LaunchKind
		err    error
		text   string
	}{
		{"launch", hosttest.Plugin{LaunchErr: notExec}, nil, task.LaunchNotExec, notExec, "not executable"},
		{"missing", hosttest.Plugin{}, func(d *task.Definition) { d.Plugin = "missing" }, task.LaunchMissing, nil, "is not there"},
		{"rejected config", hosttest.Plugin{ConfigureErr: rejected}, nil, "", rejected, "url: no host"},
		{"open fails", hosttest.Plugin{ConfigureErr: errors.New("cannot reach the database")}, nil, "", nil, "cannot reach the database"},
		{"open too slow", hosttest.Plugin{ConfigureTime: time.Minute}, nil, task.LaunchTimeout, nil, "within 10s; raise start_timeout"},
		{"dies while it opens", hosttest.Plugin{DieConfigured: true}, nil, task.LaunchExited, nil, "ended while it was configured: exit 3"},
	} {
		inHouse(t, c.plugin, func(h *house) {
			def := definition()
			if c.def != nil {
				c.def(def)
			}
			h.Launch(1, def)
			r := next[task.ProcessFailed](h)
			if c.err != nil && !errors.Is(r.Err, c.err) || !strings.Contains(r.Err.Error(), c.text) {
				t.Errorf("%s: got %v", c.name, r.Err)
			}
			if fault, _ := errors.AsType[*task.LaunchError](r.Err); c.kind != "" && (fault == nil || fault.Kind != c.kind) {
				t.Errorf("%s: got %#v", c.name, r.Err)
			}
			for _, p := range h.launcher.Processes() {
				if !closed(p.Done()) {
					t.Errorf("%s: the process lives", c.name)
				}
			}
			h.quiet()
		})
	}
}

func TestAKillOrCloseEndsAStartAtOnce(t *testing.T) {
	t.Parallel()
	for name, plugin := range map[string]hosttest.Plugin{
		"launching":   {LaunchTime: time.Second},
		"configuring": {ConfigureTime: time.Hour},
	} {
		for end, f := range map[string]func(*house){"kill": func(h *house) { h.Kill(1) }, "close": func(h *house) { h.Close(1) }} {
			inHouse(t, plugin, func(h *house) {
				def := definition()
				def.StartTimeout = 2 * time.Hour
				h.Launch(1, def)
				synctest.Wait()
				began := time.Now()
				f(h)
				r := next[task.ProcessFailed](h)
				if fault, ok := errors.AsType[*task.LaunchError](r.Err); !ok || fault.Kind != task.LaunchStopped {
					t.Errorf("%s %s: got %v", end, name, r.Err)
				}
				if d := time.Since(began); d > 3*time.Second {
					t.Errorf("%s %s took %s", end, name, d)
				}
			})
		}
	}
}

func TestLaunchesAreBoundedAndUrgentOnesGoFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Config{MaxLaunches: 2}, hosttest.Plugin{LaunchTime: time.Second})
		defer h.Shutdown()
		for id := task.ProcessID(1); id <= 6; id++ {
			def := definition()
			if id == 5 {
				def.Mode = task.Continuous
			}
			h.Launch(id, def)
			synctest.Wait()
		}
		h.Hurry(6)
		var order []task.ProcessID
		for range 6 {
			order = append(order, next[task.ProcessReady](h).ID)
		}
		if first := map[task.ProcessID]bool{order[0]: true, order[1]: true}; !first[1] || !first[2] {
			t.Errorf("order %v", order)
		}
		if second := map[task.ProcessID]bool{order[2]: true, order[3]: true}; !second[5] || !second[6] {
			t.Errorf("order %v", order)
		}
		if n := h.launcher.MostLaunching(); n != 2 {
			t.Errorf("%d launches at a time", n)
		}
	})
}

func TestAPluginThatOpensSlowlyDoesNotHoldUpOtherLaunches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Config{MaxLaunches: 1}, hosttest.Plugin{LaunchTime: time.Millisecond, ConfigureTime: 5 * time.Second})
		defer h.Shutdown()
		began := time.Now()
		for id := task.ProcessID(1); id <= 10; id++ {
			h.Launch(id, definition())
		}
		for range 10 {
			next[task.ProcessReady](h)
		}
		if d := time.Since(began); d > 6*time.Second {
			t.Errorf("took %s", d)
		}
	})
}

func TestAPluginThatHangsBeforeItsHandshakeDoesNotHoldUpOtherLaunches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Config{MaxLaunches: 2}, hosttest.Plugin{})
		h.launcher.Plugin = func(spec task.LaunchSpec) hosttest.Plugin {
			if spec.Task == "hangs" {
				return hosttest.Plugin{LaunchTime: time.Hour}
			}
			return hosttest.Plugin{LaunchTime: time.Millisecond}
		}
		defer h.Shutdown()
		hangs := definition()
		hangs.Name = "hangs"
		for id := task.ProcessID(1); id <= 4; id++ {
			h.Launch(id, hangs)
		}
		synctest.Wait()
		began := time.Now()
		for id := task.ProcessID(5); id <= 8; id++ {
			h.Launch(id, definition())
		}
		for range 4 {
			next[task.ProcessReady](h)
		}
		if d := time.Since(began); d > 3*turnTime {
			t.Errorf("took %s", d)
		}
	})
}

// untilStopped returns what a run does: it goes on until it is drained or cancelled.
func untilStopped(ctx context.Context, r *hosttest.Run) task.RunResult {
	select {
	case <-r.Stopping():
		return task.RunResult{Status: task.StatusInterrupted, ObservedStop: true}
	case <-ctx.Done():
		return task.RunResult{Status: task.StatusFailed, Message: ctx.Err().Error(), ObservedStop: true}
	}
}

func TestDrainAndCancelReachTheRunThatHasJustBegun(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Run: untilStopped}, func(h *house) {
		p := h.up(1)
		h.StartRun(1, start("r1"))
		h.Drain(1, "r1", time.Second, "stop")
		next[task.RunEntered](h)
		if r := next[task.RunReturned](h); r.Result.Status != task.StatusInterrupted {
			t.Errorf("got %+v", r)
		}
		h.StartRun(1, start("r2"))
		h.Cancel(1, "r2", task.CauseTimeout, time.Second)
		next[task.RunEntered](h)
		if r := next[task.RunReturned](h); r.Result.Status != task.StatusFailed {
			t.Errorf("got %+v", r)
		}
		h.Drain(1, "r2", time.Second, "too late")
		h.quiet()
		if diff := cmp.Diff([]string{"r1"}, p.Drains()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]task.CancelCause{task.CauseTimeout}, p.Cancels()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAStuckProcessHoldsUpNothingAndIsKilled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Config{}, hosttest.Plugin{})
		h.launcher.Plugin = func(spec task.LaunchSpec) hosttest.Plugin { return hosttest.Plugin{Stuck: spec.Env["STUCK"] != ""} }
		defer h.Shutdown()
		def := definition()
		def.Env = map[string]string{"STUCK": "1"}
		h.Launch(1, def)
		next[task.ProcessReady](h)
		began := time.Now()
		h.StartRun(1, start("r1"))
		h.Drain(1, "r1", time.Second, "stop")
		h.Cancel(1, "r1", task.CauseStopTimeout, time.Second)
		h.Grant(1, 7, true)
		h.up(2)
		h.StartRun(2, start("r2"))
		next[task.RunEntered](h)
		next[task.RunReturned](h)
		if d := time.Since(began); d > 0 {
			t.Errorf("the stuck process held up another one for %s", d)
		}
		if _, err := h.Call(timeout(t, time.Second), 1, "m", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("call: %v", err)
		}
		killed := time.Now()
		h.Kill(1)
		if r := next[task.ProcessGone](h); r.ID != 1 || !r.Exit.ByHost || time.Since(killed) > 0 {
			t.Errorf("got %+v after %s", r, time.Since(killed))
		}
		// A stuck process that is closed has two seconds.
		h.Launch(3, def)
		next[task.ProcessReady](h)
		closing := time.Now()
		h.Close(3)
		next[task.ProcessGone](h)
		if d := time.Since(closing); d != closeTime {
			t.Errorf("closing took %s", d)
		}
	})
}

func TestAProcessUnderADebuggerMayTakeItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Config{MaxLaunches: 1}, hosttest.Plugin{})
		h.launcher.Plugin = func(spec task.LaunchSpec) hosttest.Plugin { return hosttest.Plugin{Stuck: true} }
		defer h.Shutdown()
		def := definition()
		d := def.ForDebugger()
		h.Launch(1, &d)
		next[task.ProcessReady](h)
		h.Close(1)
		<-time.After(24 * time.Hour)
		if p := h.find(1); p == nil {
			t.Error("it was ended while it closed what it holds open")
		}
		h.Kill(1)
		next[task.ProcessGone](h)
	})
}

func TestAProcessThatWaitsForADebuggerKeepsNoOtherFromStarting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Config{MaxLaunches: 1}, hosttest.Plugin{})
		h.launcher.Plugin = func(spec task.LaunchSpec) hosttest.Plugin {
			if spec.Debug {
				return hosttest.Plugin{LaunchTime: time.Second}
			}
			return hosttest.Plugin{}
		}
		defer h.Shutdown()
		def := definition()
		d := def.ForDebugger()
		h.Launch(1, &d)
		h.Launch(2, &d)
		h.Launch(3, def)
		if r := next[task.ProcessReady](h); r.ID != 3 {
			t.Errorf("process %d is ready first", r.ID)
		}
		next[task.ProcessReady](h)
		next[task.ProcessReady](h)
		if n := h.launcher.MostLaunching(); n < 2 {
			t.Errorf("%d waited for a debugger at a time", n)
		}
	})
}

func timeout(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestARunWhoseProcessDiesDoesNotReturn(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Run: func(ctx context.Context, r *hosttest.Run) task.RunResult {
		if err := r.Commit(task.Op{Kind: task.OpSaveRun, Key: "cursor", Value: json.RawMessage("1")}); err != nil {
			t.Error(err)
		}
		r.Crash(task.ExitCause{Code: 2, Panic: "panic: boom\n\ngoroutine 1"})
		return task.RunResult{}
	}}, func(h *house) {
		h.up(1)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		next[task.Alive](h)
		r := next[task.ProcessGone](h)
		if r.Exit.Code != 2 || !r.SavedValues {
			t.Errorf("got %+v", r)
		}
		lines := h.log.Lines()
		last := lines[len(lines)-1]
		if last.Level != "error" || last.Run != "r1" || last.Message != "process 1000 ended: panic: boom" || !strings.Contains(string(last.Fields), "goroutine 1") {
			t.Errorf("got line %+v %s", last, last.Fields)
		}
		h.quiet()
	})
}

func TestALostSessionEndsTheProcess(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Run: untilStopped}, func(h *house) {
		p := h.up(1)
		p.LoseSession()
		if r := next[task.ProcessGone](h); !r.Exit.ByHost {
			t.Errorf("got %+v", r)
		}
	})
}

func TestAProcessThatHasClosedItsSessionIsGivenTimeToEnd(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Run: untilStopped}, func(h *house) {
		p := h.up(1)
		p.CloseSession()
		h.quiet()
		<-time.After(byeTime - time.Millisecond) // in the time of the bubble
		p.Die(task.ExitCause{})
		if r := next[task.ProcessGone](h); r.Exit.ByHost {
			t.Errorf("got %+v", r)
		}
		for _, l := range h.log.Lines() {
			if l.Level == "error" {
				t.Errorf("it is logged as an error: %s", l.Message)
			}
		}
		p = h.up(2)
		p.CloseSession()
		if r := next[task.ProcessGone](h); !r.Exit.ByHost {
			t.Errorf("of one that stays: %+v", r)
		}
	})
}

func TestCommitsAreDurableBeforeTheRunReturns(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Run: func(_ context.Context, r *hosttest.Run) task.RunResult {
		for i := range 3 { // without waiting for the answers
			r.CommitLater(r.Start.Run, task.Op{Kind: task.OpSave, Key: "k", Value: json.RawMessage(fmt.Sprint(i))})
		}
		return task.RunResult{Status: task.StatusSucceeded}
	}}, func(h *house) {
		hold := make(chan struct{})
		h.values.Hold = hold
		h.up(1)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		next[task.Alive](h)
		h.quiet() // the store holds the first commit, so the run has not returned
		close(hold)
		next[task.RunReturned](h)
		if v, _, _ := h.values.Load(t.Context(), "sync", "k"); string(v) != "2" || h.values.Commits() != 3 {
			t.Errorf("%d commits, value %s", h.values.Commits(), v)
		}
	})
}

func TestRequestsOfAuthorCode(t *testing.T) {
	t.Parallel()
	value := json.RawMessage(`"v"`)
	inHouse(t, hosttest.Plugin{Run: func(_ context.Context, r *hosttest.Run) task.RunResult {
		if r.Start.Run == "r2" {
			for text, err := range map[string]error{
				"run r1 has ended":  r.CommitFor("r1", task.Op{Kind: task.OpSave, Key: "late", Value: value}),
				"is not wired":      r.Commit(task.Op{Kind: task.OpSave, Key: "late", Value: value}, task.Op{Kind: task.OpEmit, Output: "pages", Value: value}),
				"belongs to a run":  r.CommitFor("", task.Op{Kind: task.OpSaveRun, Key: "late", Value: value}),
				"output \"pages\" ": r.Commit(task.Op{Kind: task.OpEmit, Output: "pages", Value: value}),
			} {
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("want %q, got %v", text, err)
				}
			}
			if string(r.Start.Values["cursor"]) != `"v"` {
				t.Errorf("run-scoped values %v", r.Start.Values)
			}
			return task.RunResult{Status: task.StatusSucceeded}
		}
		if err := r.Commit(task.Op{Kind: task.OpSave, Key: "k", Value: value}, task.Op{Kind: task.OpSaveRun, Key: "cursor", Value: value}); err != nil {
			t.Error(err)
		}
		if v, ok := r.Load("k"); !ok || string(v) != `"v"` {
			t.Errorf("loaded %s, %v", v, ok)
		}
		if _, ok := r.Load("none"); ok {
			t.Error("loaded what is not there")
		}
		return task.RunResult{Status: task.StatusInterrupted}
	}}, func(h *house) {
		h.up(1)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		next[task.Alive](h)
		if r := next[task.RunReturned](h); !r.SavedValues {
			t.Errorf("got %+v", r)
		}
		if err := h.values.Commit(t.Context(), "sync", "r2", []task.Op{{Kind: task.OpSaveRun, Key: "cursor", Value: value}}); err != nil {
			t.Fatal(err)
		}
		h.StartRun(1, task.RunStart{Run: "r2", Attempt: 2})
		next[task.RunEntered](h)
		next[task.Alive](h) // a refused commit is a sign of life too
		if r := next[task.RunReturned](h); !r.SavedValues {
			t.Errorf("got %+v", r)
		}
		if _, ok, _ := h.values.Load(t.Context(), "sync", "late"); ok {
			t.Error("a refused commit was kept")
		}
	})
}

func TestAStoreThatFailsIsToldToAuthorCode(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Run: func(_ context.Context, r *hosttest.Run) task.RunResult {
		if err := r.Commit(task.Op{Kind: task.OpSave, Key: "k"}); err == nil || err.Error() != "disk full" {
			t.Errorf("commit: %v", err)
		}
		return task.RunResult{Status: task.StatusSucceeded}
	}}, func(h *house) {
		h.values.Err = errors.New("disk full")
		h.up(1)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		next[task.Alive](h)
		next[task.RunReturned](h)
		h.StartRun(1, task.RunStart{Run: "r2", Attempt: 2})
		if r := next[task.RunReturned](h); r.Result.Status != task.StatusFailed || !strings.Contains(r.Result.Message, "disk full") {
			t.Errorf("got %+v", r)
		}
	})
}

func TestExtensionsAreAskedAndAnswered(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Run: func(_ context.Context, r *hosttest.Run) task.RunResult {
		if !r.Extend(time.Minute) || r.Extend(time.Hour) {
			t.Error("wrong answers")
		}
		return task.RunResult{Status: task.StatusSucceeded}
	}}, func(h *house) {
		h.up(1)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		e := next[task.Extension](h)
		h.Grant(1, e.Request, e.By == time.Minute && e.Run == "r1")
		e = next[task.Extension](h)
		h.Grant(1, e.Request, false)
		next[task.RunReturned](h)
	})
}

func TestMethodsAreCalled(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Method: func(method string, input json.RawMessage) (json.RawMessage, error) {
		return json.RawMessage(`"` + method + string(input) + `"`), nil
	}}, func(h *house) {
		if _, err := h.Call(t.Context(), 1, "m", nil); err == nil {
			t.Error("a method without a process was answered")
		} else if fault, ok := errors.AsType[*task.Error](err); !ok || fault.Code != task.CodeNotRunning {
			t.Errorf("got %v", err)
		}
		h.up(1)
		if out, err := h.Call(t.Context(), 1, "m", json.RawMessage("1")); err != nil || string(out) != `"m1"` {
			t.Errorf("got %s, %v", out, err)
		}
	})
}

func TestSignsOfLifeAreCoalescedAndTheLastOneArrives(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Run: func(ctx context.Context, r *hosttest.Run) task.RunResult {
		for i := range 1000 { // ten seconds
			r.Progress(int64(i+1), 1000)
			r.Publish("n", fmt.Sprint(i+1))
			time.Sleep(10 * time.Millisecond)
		}
		r.Publish("n", "1001")
		return task.RunResult{Status: task.StatusSucceeded}
	}}, func(h *house) {
		h.up(1)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		var alive int
		var done int64
		var last time.Time
		for {
			r := <-h.reports
			if returned, ok := r.(task.RunReturned); ok {
				if returned.Result.Run != "r1" {
					t.Errorf("got %+v", returned)
				}
				break
			}
			a := r.(task.Alive)
			if a.Run != "r1" {
				t.Errorf("got %+v", a)
			}
			if a.Progress != nil {
				done = a.Progress.Done
			}
			alive++
			last = a.At
		}
		if alive < 10 || alive > 12 || done != 1000 || time.Since(last) > 20*time.Millisecond {
			t.Errorf("%d reports, the last %s ago with %d done", alive, time.Since(last), done)
		}
		if n := h.values.Publishes(); n < 90 || n > 105 {
			t.Errorf("%d values were written", n)
		}
		if v := h.values.Published("sync")["n"]; string(v) != "1001" {
			t.Errorf("the last value is %s", v)
		}
	})
}

func TestPublishedStateIsBounded(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Run: func(_ context.Context, r *hosttest.Run) task.RunResult {
		r.Publish("big", `"`+strings.Repeat("x", maxValue)+`"`)
		for i := range 2 * maxKeys {
			r.Publish(fmt.Sprint("k", i), "1")
		}
		return task.RunResult{Status: task.StatusSucceeded}
	}}, func(h *house) {
		h.up(1)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		for {
			if _, ok := (<-h.reports).(task.RunReturned); ok {
				break
			}
		}
		if n := len(h.values.Published("sync")); n != maxKeys {
			t.Errorf("%d keys", n)
		}
		warnings := 0
		for _, l := range h.log.Lines() {
			if l.Level == "warn" && strings.Contains(l.Message, "is not published") {
				warnings++
			}
		}
		if warnings != 1 {
			t.Errorf("%d warnings", warnings)
		}
	})
}

func TestReadinessIsReported(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Run: func(ctx context.Context, r *hosttest.Run) task.RunResult {
		r.Ready("listening")
		return untilStopped(ctx, r)
	}}, func(h *house) {
		h.up(1)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		if r := next[task.BecameReady](h); r.Note != "listening" {
			t.Errorf("got %+v", r)
		}
		next[task.Alive](h)
	})
}

func TestAPluginThatFloodsIsKilledAndHoldsUpNothing(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{Run: func(ctx context.Context, r *hosttest.Run) task.RunResult {
		for ctx.Err() == nil {
			r.CommitLater(r.Start.Run, task.Op{Kind: task.OpSave, Key: "k", Value: json.RawMessage("1")})
		}
		return task.RunResult{}
	}}, func(h *house) {
		hold := make(chan struct{})
		h.values.Hold = hold
		h.up(1)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		next[task.Alive](h)
		synctest.Wait()
		close(hold)
		for {
			if gone, ok := (<-h.reports).(task.ProcessGone); ok {
				if !gone.Exit.ByHost {
					t.Errorf("got %+v", gone)
				}
				break
			}
		}
		if n := h.values.Commits(); n > maxReports+2 {
			t.Errorf("%d commits were kept waiting", n)
		}
	})
}

func TestARunThatIsTooLargeFailsAndItsProcessLivesOn(t *testing.T) {
	t.Parallel()
	inHouse(t, hosttest.Plugin{}, func(h *house) {
		h.up(1)
		h.StartRun(1, task.RunStart{Run: "r1", Attempt: 1, Input: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)})
		if r := next[task.RunReturned](h); r.Result.Status != task.StatusPermanent || !strings.Contains(r.Result.Message, "too large") {
			t.Errorf("got %+v", r)
		}
		h.StartRun(1, start("r2"))
		next[task.RunEntered](h)
		next[task.RunReturned](h)
	})
}

func TestShutdownEndsEverything(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, Config{MaxLaunches: 2}, hosttest.Plugin{LaunchTime: time.Second, Run: untilStopped})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		for id := task.ProcessID(1); id <= 5; id++ { // the fifth waits for its turn
			h.Launch(id, definition())
			synctest.Wait()
		}
		next[task.ProcessReady](h)
		next[task.ProcessReady](h)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		gone := 0
		for len(h.reports) > 0 {
			switch (<-h.reports).(type) {
			case task.ProcessGone, task.ProcessFailed:
				gone++
			}
		}
		if gone != 5 {
			t.Errorf("%d of 5 processes are accounted for", gone)
		}
		h.Launch(6, definition())
		h.Shutdown()
		h.quiet()
	})
}

func TestAProcessThatSurvivesItsKillDoesNotHoldTheEndOfTheHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		h := newHouse(t, Config{}, hosttest.Plugin{Run: func(context.Context, *hosttest.Run) task.RunResult {
			<-release // whatever is done to it
			return task.RunResult{Status: task.StatusSucceeded}
		}})
		h.up(1)
		h.StartRun(1, start("r1"))
		next[task.RunEntered](h)
		began := time.Now()
		h.Shutdown()
		if took := time.Since(began); took > endTime {
			t.Errorf("the end of the host took %s", took)
		}
		close(release)
	})
}
