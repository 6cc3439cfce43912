package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/sdk/notify"
	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

// script is a config that runs a shell line in which $SAY speaks to the plugin.
func script(t *testing.T, line, more string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("shell = %q\nenv = { SAY = %q }\n%s", strings.ReplaceAll(line, "$SAY", "$SAY "+sayer), self, more)
}

func TestNoticesAreReadAsTheManualHasThem(t *testing.T) {
	t.Parallel()
	text := func(s string) *string { return &s }
	for in, want := range map[string]notice{
		"":                                     {},
		"READY=1\nSTATUS=fine":                 {ready: true, status: text("fine")},
		"READY=0":                              {},
		"RELOADING=1\nMONOTONIC_USEC=12":       {reloading: true},
		"STOPPING=1\nSTATUS=":                  {stopping: true, status: text("")},
		"WATCHDOG=1":                           {beat: true},
		"WATCHDOG=trigger":                     {trigger: true},
		"EXTEND_TIMEOUT_USEC=1500000":          {extend: 1500 * time.Millisecond},
		"EXTEND_TIMEOUT_USEC=-1":               {},
		"EXTEND_TIMEOUT_USEC=9999999999999999": {extend: maxExtension},
		"MAINPID=12\nERRNO=2":                  {mainPID: 12, errno: 2},
		"MAINPID=0\nERRNO=99999999999":         {},
		"FDSTORE=1\nX\n=\nnonsense=1":          {},
		"STATUS=a\xffb":                        {status: text("a\uFFFDb")},
		"STATUS=a=b":                           {status: text("a=b")},
	} {
		if diff := cmp.Diff(want, parseNotice(in), cmp.AllowUnexported(notice{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", in, diff)
		}
	}
}

func TestAFloodOfNoticesIsHeldUpAndNotLost(t *testing.T) {
	t.Parallel()
	var p pace
	now := time.Unix(1, 0)
	for n := range 3 * paceNotices {
		wait := p.next(now)
		if (wait > 0) != ((n+1)%paceNotices == 0) {
			t.Fatalf("notice %d waits %v", n+1, wait)
		}
		now = now.Add(wait)
	}
	if now.Sub(time.Unix(1, 0)) != 3*paceWindow {
		t.Errorf("%d notices took %v", 3*paceNotices, now.Sub(time.Unix(1, 0)))
	}
	p.next(now)
	if wait := p.next(now.Add(paceWindow)); wait != 0 {
		t.Errorf("a slow sender waits %v", wait)
	}
	r := run(t, script(t, "$SAY many STATUS=busy && $SAY notice STATUS=done", ""))
	if r.Outcome() != "succeeded" || r.State("status") != `"done"` {
		t.Errorf("%s %s, status %s", r.Outcome(), r.Message(), r.State("status"))
	}
}

func TestADaemonSaysThatItIsReadyAndHowItIs(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	r := run(t, script(t, "echo begun; until [ -e "+gate+" ]; do sleep 0.01; done; $SAY notice 'STATUS=warm' READY=1 READY=1; exec sleep 60", "ready {\n notify = true\n}"),
		tasktest.Mode(task.ModeContinuous))
	until(t, "it runs", func() bool { return logged(r, "stdout") == "begun" })
	if ready := r.Ready(); len(ready) != 0 {
		t.Errorf("it is ready before it says so: %q", ready)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "it is ready", func() bool { return len(r.Ready()) > 0 })
	until(t, "its phase is known", func() bool { return r.State("phase") == `"ready"` })
	r.Stop(time.Minute)
	if diff := cmp.Diff([]string{"warm"}, r.Ready()); r.Outcome() != "succeeded" || diff != "" || r.State("status") != `"warm"` {
		t.Errorf("%s, status %s, ready (-want +got):\n%s", r.Outcome(), r.State("status"), diff)
	}
}

func TestReadinessIsFoundOutFromOutside(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "s")
	for name, c := range map[string]struct{ line, ready string }{
		"by a line of its output": {"echo starting; echo listening on 80; exec sleep 60", `log = "^listening on [0-9]+$"`},
		"by a connection":         {"exec $SAY listen " + socket, fmt.Sprintf("tcp = %q", socket)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, script(t, c.line, "ready {\n"+c.ready+"\n}"), tasktest.Mode(task.ModeContinuous))
			until(t, "it is ready", func() bool { return len(r.Ready()) == 1 })
			r.Cancel()
			r.Wait()
		})
	}
	r := run(t, script(t, "echo starting; exec sleep 60", "ready {\n http = \"http://127.0.0.1:1/\"\n}"), tasktest.Mode(task.ModeContinuous))
	until(t, "it runs", func() bool { return logged(r, "stdout") == "starting" })
	r.Stop(time.Minute)
	if r.Outcome() != "succeeded" || len(r.Ready()) != 0 {
		t.Errorf("%s, ready %q", r.Outcome(), r.Ready())
	}
}

func TestReadyNamesOneWay(t *testing.T) {
	t.Parallel()
	for hcl, want := range map[string]string{
		"":                            "exactly one",
		"notify = true\nlog = \"x\"":  "exactly one",
		`tcp = "6379"`:                "host:port",
		`http = "example.org/health"`: "http://",
		`log = "("`:                   "missing",
	} {
		if _, err := tasktest.Config[Config](t, "shell = \"x\"\nready {\n"+hcl+"\n}"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want a problem with %q", hcl, err, want)
		}
	}
}

func TestTheWatchdogsTimeIsToldToADaemon(t *testing.T) {
	t.Parallel()
	r := run(t, `shell = "echo $WATCHDOG_USEC; exec sleep 60"`, tasktest.Mode(task.ModeContinuous), tasktest.Watchdog(30*time.Second))
	wantLog(t, r, "stdout", "30000000")
	r.Cancel()
	if r = run(t, `shell = "echo none $WATCHDOG_USEC"`); r.Outcome() != "succeeded" {
		t.Errorf("%s %s", r.Outcome(), r.Message())
	}
	wantLog(t, r, "stdout", "none")
}

func TestAWatchdogThatTheCommandTriggersEndsIt(t *testing.T) {
	t.Parallel()
	r := run(t, script(t, "$SAY notice 'ERRNO=5' WATCHDOG=trigger; exec sleep 60", ""), tasktest.Mode(task.ModeContinuous))
	if m := r.Message(); r.Outcome() != "failed" || !strings.Contains(m, "SIGABRT") || !strings.Contains(m, "its own watchdog") || !strings.Contains(m, "input/output error") {
		t.Errorf("%s: %s", r.Outcome(), m)
	}
}

func TestTimeIsExtendedToWhatIsWantedFromNow(t *testing.T) {
	t.Parallel()
	tasktest.Test(t, func(t *testing.T) {
		var left []time.Duration
		typ := task.Periodic("x", func(_ context.Context, h *task.Host, _ struct{}) error {
			l := &listener{host: h, isReady: true}
			for _, d := range []time.Duration{time.Minute, time.Minute, 2 * time.Second, time.Hour} {
				if !l.extendTo(d) {
					return fmt.Errorf("%v is not granted", d)
				}
				end, _ := h.Deadline()
				left = append(left, time.Until(end))
			}
			return nil
		})
		r := tasktest.Run(t, typ, "", tasktest.Timeout(5*time.Second))
		r.Wait()
		want := []time.Duration{time.Minute, time.Minute, time.Minute, time.Hour}
		if diff := cmp.Diff(want, left); r.Outcome() != "succeeded" || diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", r.Outcome(), r.Message(), diff)
		}
	})
	r := run(t, script(t, "$SAY notice EXTEND_TIMEOUT_USEC=60000000 && $SAY barrier", ""), tasktest.Timeout(time.Minute))
	if r.Outcome() != "succeeded" {
		t.Errorf("%s %s", r.Outcome(), r.Message())
	}
}

func TestAnotherProcessMayBecomeTheMainOne(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("needs a child subreaper")
	}
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	heir := "(until [ -e " + gate + " ]; do sleep 0.01; done; exit 7) & $SAY notice MAINPID=$!; echo gone"
	r := run(t, script(t, heir, "exit_codes {\n ok = [7]\n}"))
	until(t, "the first process has ended", func() bool { return logged(r, "stdout") == "gone" })
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if r.Outcome() != "succeeded" || r.State("exit_code") != "7" {
		t.Errorf("%s %s, exit code %s", r.Outcome(), r.Message(), r.State("exit_code"))
	}
	r = run(t, script(t, "$SAY notice MAINPID=1; exit 0", ""))
	if r.Outcome() != "succeeded" {
		t.Errorf("with a process that is not its own: %s %s", r.Outcome(), r.Message())
	}
}

func TestABarrierIsAnsweredAndNothingStaysOpen(t *testing.T) {
	t.Parallel()
	r := run(t, script(t, "for n in 1 2 3 4 5 6 7 8; do $SAY barrier || exit 1; done; ls /proc/$PPID/fd | wc -l; $SAY barrier; ls /proc/$PPID/fd | wc -l", ""))
	if r.Outcome() != "succeeded" {
		t.Fatalf("%s %s", r.Outcome(), r.Message())
	}
	until(t, "both counts", func() bool { return strings.Count(logged(r, "stdout"), "|") == 1 })
	before, after, _ := strings.Cut(logged(r, "stdout"), "|")
	if before != after {
		t.Errorf("%s descriptors, then %s", before, after)
	}
}

func TestWhatACommandSaysThatIsTooLongIsNotHeard(t *testing.T) {
	t.Parallel()
	r := run(t, script(t, `$SAY notice STATUS=short STATUS=$(head -c 5000 /dev/zero | tr '\0' x)`, ""))
	if r.Outcome() != "succeeded" || r.State("status") != `"short"` {
		t.Errorf("%s %s, status %.20s", r.Outcome(), r.Message(), r.State("status"))
	}
}

func TestRequestsAreAnswered(t *testing.T) {
	t.Parallel()
	r := run(t, script(t, `$SAY ask '{"verb":"progress","done":3,"total":9,"note":"three"}' '{"verb":"state","key":"depth","value":17}' '{"verb":"extend","seconds":10}' '{"verb":"extend","seconds":-1}' `+
		`'{"verb":"nonsense"}' '{"verb":"commit","ops":[{"key":"","value":1}]}' '{"verb":"commit","ops":[{"key":"a\u000ab","value":1}]}' '{"verb":"commit","ops":[{"output":"pages","value":1,"id":"~1"}]}'`, ""), tasktest.Timeout(time.Minute))
	if r.Outcome() != "succeeded" || r.State("depth") != "17" {
		t.Errorf("%s %s, depth %s", r.Outcome(), r.Message(), r.State("depth"))
	}
	wantLog(t, r, "stdout", `ok|ok|ok|refused: more time is more than 0s and at most 720h0m0s|refused: the verb "nonsense" is not known here|refused: a key has 1 to 128 bytes|refused: a key holds no line breaks, and nothing else that is not printed|refused: a message's id does not begin with ~: those are derived for messages without one`)
	if done, total, note := r.Progress(); done != 3 || total != 9 || note != "three" {
		t.Errorf("progress is %d of %d, %q", done, total, note)
	}
}

const saves = `$SAY ask '{"verb":"commit","ops":[{"key":"cursor","value":7},{"output":"pages","value":{"n":1},"id":"one"}]}' '{"verb":"load","key":"cursor"}' ` +
	`'{"verb":"commit","now":true,"ops":[{"output":"pages","value":2}]}' '{"verb":"commit","ops":[{"key":"try","value":1,"run":true}]}' '{"verb":"load","key":"try","run":true}'; `

func TestWhatACommandKeepsIsCommittedWhenItEndsWell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		end, outcome, cursor string
		emitted              int
	}{
		"it succeeds":          {"exit 0", "succeeded", "7", 2},
		"it has nothing to do": {"exit 75", "skipped", "7", 2},
		"it fails":             {"exit 1", "failed", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, script(t, saves+c.end, "exit_codes {\n skip = [75]\n}"))
			if r.Outcome() != c.outcome || r.Checkpoint("cursor") != c.cursor || len(r.Emitted("pages")) != c.emitted {
				t.Errorf("%s %s, cursor %q, %d messages", r.Outcome(), r.Message(), r.Checkpoint("cursor"), len(r.Emitted("pages")))
			}
			wantLog(t, r, "stdout", "ok|ok 7|ok|ok|ok 1")
		})
	}
}

func TestAValueIsDeletedWhenTheCommandEndsWell(t *testing.T) {
	t.Parallel()
	const deletes = `$SAY ask '{"verb":"commit","now":true,"ops":[{"key":"cursor","value":7}]}' '{"verb":"commit","ops":[{"key":"cursor","delete":true}]}' '{"verb":"load","key":"cursor"}' ` +
		`'{"verb":"commit","ops":[{"key":"cursor","delete":true,"run":true}]}' '{"verb":"commit","ops":[{"key":"cursor"}]}'; exit `
	for code, want := range map[string]string{"0": "", "1": "7"} {
		r := run(t, script(t, deletes+code, ""))
		outcome := r.Outcome()
		if got := r.Checkpoint("cursor"); got != want {
			t.Errorf("exit %s, %s: the cursor is %q, want %q", code, outcome, got, want)
		}
		wantLog(t, r, "stdout", "ok|ok|ok|refused: only a value of the task is deleted, and by its key alone|refused: a value that is no JSON")
	}
}

func TestADaemonKeepsAtOnce(t *testing.T) {
	t.Parallel()
	r := run(t, script(t, saves+"exec sleep 60", ""), tasktest.Mode(task.ModeContinuous))
	until(t, "it has saved", func() bool { return r.Checkpoint("cursor") == "7" && len(r.Emitted("pages")) == 2 })
	r.Cancel()
	if r.Outcome() != "cancelled" {
		t.Errorf("%s %s", r.Outcome(), r.Message())
	}
}

func TestTooMuchForOneCommitIsRefused(t *testing.T) {
	t.Parallel()
	h := &held{}
	value, err := json.Marshal(strings.Repeat("x", 600<<10))
	if err != nil {
		t.Fatal(err)
	}
	one := []notify.Op{{Key: "k", Value: value}}
	if err := h.add(one); err != nil {
		t.Fatal(err)
	}
	if err := h.add(one); err == nil || !strings.Contains(err.Error(), "-now") {
		t.Errorf("twice as much: %v", err)
	}
	if len(h.take()) != 1 {
		t.Errorf("%d are held", len(h.take()))
	}
}
