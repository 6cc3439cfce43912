package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// block is a task block with twenty instances in one process: tame ones, and a wild one that does as it is told once it
// is started.
func block(do, body string) string {
	var keys []string
	for i := range 19 {
		keys = append(keys, fmt.Sprintf("    tame%d = \"nothing\"", i+1))
	}
	keys = append(keys, fmt.Sprintf("    wild = %q", do))
	return fmt.Sprintf(`
task "many" {
  plugin   = "badplugin"
  type     = "run"
  process  = "shared"
  enabled  = each.value == "nothing"
  for_each = {
%s
  }
%s
  config {
    do = each.value
  }
}
`, strings.Join(keys, "\n"), body)
}

// often makes every instance run again and again.
const often = "  periodic {\n    every = \"1s\"\n  }\n"

func sharedHost(t *testing.T, hcl string) *admintest.Host {
	t.Helper()
	return stageWith(t, admintest.Options{HCL: brisk + hcl, Plugins: []string{badPlugin}})
}

func tame(i int) string { return fmt.Sprintf("many.tame%d", i%19+1) }

// pidOf is the process that the task has now; 0 is none.
func pidOf(t *testing.T, h *admintest.Host, name string) int {
	t.Helper()
	got, err := h.Task(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Processes) == 0 {
		return 0
	}
	return got.Processes[0].PID
}

// unleash starts the wild instance when all others have run.
func unleash(t *testing.T, h *admintest.Host) (since time.Time) {
	t.Helper()
	for i := range 19 {
		h.UntilRun(tame(i), "succeeded")
	}
	since = time.Now()
	if _, _, err := h.Client.Start(t.Context(), "many.wild", admin.Verb{}, 0); err != nil {
		t.Fatal(err)
	}
	return since
}

// checkTame fails the test when an innocent instance has lost a slot since, or has a run that did not end as it may.
// It waits until each has run again after now, so that whatever happened is over.
func checkTame(t *testing.T, h *admintest.Host, since time.Time, lenient ...string) {
	t.Helper()
	var names []string
	for i := range 19 {
		names = append(names, tame(i))
	}
	lostNothing(t, h, names, since, lenient...)
}

// machineSlow is the reason of slots for which a busy machine gave the host no time: nothing else has cost them.
const machineSlow = "missed(overload)"

func lostNothing(t *testing.T, h *admintest.Host, names []string, since time.Time, lenient ...string) {
	t.Helper()
	now := time.Now()
	for _, name := range names {
		h.Until(name+" runs again", func(ctx context.Context) error {
			runs := endedRuns(t, h, name)
			if len(runs) == 0 || runs[0].Started.Before(now) {
				return fmt.Errorf("its last of %d runs was before", len(runs))
			}
			return nil
		})
		for _, r := range endedRuns(t, h, name) {
			if r.Outcome != "succeeded" && !strings.Contains(strings.Join(lenient, " "), r.Outcome) {
				t.Errorf("a run of %s ended %s (%s): %+v", name, r.Outcome, r.Note, r.Error)
			}
		}
		slots, err := h.Slots(t.Context(), name, 100, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range slots.Items {
			if s.Last.After(since) && !slices.Contains(lenient, s.Reason) {
				t.Errorf("%s lost slots: %+v", name, s)
			}
		}
	}
}

func TestInstancesOfABlockShareAProcessAndStopAlone(t *testing.T) {
	t.Parallel()
	h := sharedHost(t, block("nothing", often))
	since := unleash(t, h)
	h.UntilRun("many.wild", "succeeded")
	pid := pidOf(t, h, "many.wild")
	for i := range 19 {
		if got := pidOf(t, h, tame(i)); got != pid {
			t.Errorf("%s is in process %d, another in %d", tame(i), got, pid)
		}
	}
	untilProcesses(h, 1)
	if _, _, err := h.Client.Stop(t.Context(), "many.wild", admin.Verb{}, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	h.UntilState("many.wild", "stopped")
	checkTame(t, h, since)
	if got := pidOf(t, h, tame(0)); got != pid {
		t.Errorf("the stop of one has moved another from process %d to %d", pid, got)
	}
}

func TestADeafInstanceIsKilledAndTheOthersMissNoSlot(t *testing.T) {
	t.Parallel()
	h := sharedHost(t, block("ignore_cancel", often+"  timeout = \"500ms\"\n"))
	since := unleash(t, h)
	r := h.UntilRun("many.wild", "timed_out")
	if r.EndedIn != "kill" {
		t.Errorf("the deaf run ended in %q", r.EndedIn)
	}
	first := r.Attempts[0].PID
	checkTame(t, h, since)
	again := h.UntilRun("many.wild", "timed_out")
	for i := range 19 {
		if got := pidOf(t, h, tame(i)); got == first || got == again.Attempts[0].PID {
			t.Errorf("%s sits in process %d with the one that does not stop", tame(i), got)
		}
	}
}

func TestAnInstanceThatEndsTheProcessFailsAlone(t *testing.T) {
	t.Parallel()
	for do, class := range map[string]string{"exit": "crash", "panic_in_goroutine": "panic", "panic": "panic"} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			h := sharedHost(t, block(do, often))
			since := unleash(t, h)
			r := h.UntilRun("many.wild", "failed")
			if r.Error == nil || r.Error.Class != class {
				t.Errorf("the guilty run: %+v", r.Error)
			}
			checkTame(t, h, since, "interrupted")
		})
	}
}

func TestAnInstanceThatWritesWithoutEndDrownsItselfAlone(t *testing.T) {
	t.Parallel()
	h := sharedHost(t, block("flood", often))
	since := unleash(t, h)
	h.UntilRun("many.wild", "succeeded")
	checkTame(t, h, since)
}

func TestNoSharedProcessOutlivesAKilledHost(t *testing.T) {
	t.Parallel()
	h := sharedHost(t, block("ignore_cancel", often))
	unleash(t, h)
	h.UntilState("many.wild", "running")
	h.Kill()
	began := time.Now()
	untilProcesses(h, 0)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("the process lived for %v after its host; want 6 s at most", took)
	}
}

func TestTheInstanceThatKeepsEndingTheProcessIsFoundAmongThoseThatGoOn(t *testing.T) {
	t.Parallel()
	h := sharedHost(t, `
task "many" {
  plugin   = "badplugin"
  type     = "live"
  process  = "shared"
  enabled  = each.value == "wait"
  for_each = { a = "wait", b = "wait", c = "wait", d = "wait", e = "wait", wild = "exit" }
  continuous {
    restart {
      backoff     = "50ms"
      max_backoff = "100ms"
    }
  }
  config {
    do = each.value
  }
}
`)
	others := []string{"many.a", "many.b", "many.c", "many.d", "many.e"}
	for _, name := range others {
		h.UntilState(name, "running")
	}
	if _, _, err := h.Client.Start(t.Context(), "many.wild", admin.Verb{}, 0); err != nil {
		t.Fatal(err)
	}
	h.UntilState("many.wild", "crash_loop")
	for _, name := range others {
		got := h.UntilState(name, "running")
		if got.Restarts > 3 {
			t.Errorf("%s was started anew %d times; want 3 at most, for six suspects", name, got.Restarts)
		}
	}
}

// scaled is a block of n instances, at most four in a process, each of which runs every second.
func scaled(n int) string {
	return fmt.Sprintf(`
task "many" {
  plugin          = "badplugin"
  type            = "run"
  process         = "shared"
  max_per_process = 4
  instances       = %d
  periodic {
    every = "1s"
  }
  config {
    do = "nothing"
  }
}
`, n)
}

// scaledTo reloads with n instances, waits until those that came have run, and returns how many of them sit in each process.
func scaledTo(t *testing.T, h *admintest.Host, before, n int) map[int]int {
	t.Helper()
	rewrite(h, scaled(n))
	done := reload(t, h)
	for i := range max(before, n) {
		name := fmt.Sprintf("many.%d", i+1)
		want := admin.NoChange
		switch {
		case i >= n:
			want = admin.Removed
		case i >= before:
			want = admin.Added
		}
		if got := changes(done.Plan.Tasks)[name]; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	in := map[int]int{}
	for i := range n {
		name := fmt.Sprintf("many.%d", i+1)
		h.UntilRun(name, "succeeded")
		// One that was there before has runs of that life: it need not sit anywhere yet.
		h.Until(name+" sits in a process", func(context.Context) error {
			if pidOf(t, h, name) == 0 {
				return errors.New("it has none")
			}
			return nil
		})
		in[pidOf(t, h, name)]++
	}
	return in
}

func TestInstancesThatComeAndGoWithAReloadDisturbNoneOfThoseThatStay(t *testing.T) {
	t.Parallel()
	h := sharedHost(t, scaled(3))
	stay := []string{"many.1", "many.2"}
	for _, name := range append(stay, "many.3") {
		h.UntilRun(name, "succeeded")
	}
	pid, since := pidOf(t, h, stay[0]), time.Now()
	in := scaledTo(t, h, 3, 8)
	if in[pid] != 4 || len(in) != 2 {
		t.Errorf("up: %v sit in each process; want 4 in %d and 4 in one more", in, pid)
	}
	untilProcesses(h, 2)
	lostNothing(t, h, append(stay, "many.3"), since, machineSlow)
	if in = scaledTo(t, h, 8, 2); in[pid] != 2 {
		t.Errorf("down: %v sit in each process; want 2 in %d", in, pid)
	}
	untilProcesses(h, 1) // the one that nobody sits in any more has ended
	lostNothing(t, h, stay, since, machineSlow)
	if in = scaledTo(t, h, 2, 4); in[pid] != 4 {
		t.Errorf("up again: %v sit in each process; want 4 in %d", in, pid)
	}
	lostNothing(t, h, stay, since, machineSlow)
	_, err := h.Task(t.Context(), "many.8")
	wantProblem(t, err, 410, "task_gone")
}
