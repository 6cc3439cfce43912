package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/sdk/tasktest"
)

func handle(t *testing.T, typ, hcl string, opts ...tasktest.Option) *tasktest.Task {
	t.Helper()
	return program(t).Run(typ, hcl, opts...)
}

func TestACommandHandlesAMessage(t *testing.T) {
	t.Parallel()
	r := handle(t, "handle", `shell = "cat; echo $TASKHOST_QUEUE $TASKHOST_MESSAGE_ID $TASKHOST_MESSAGE_KEY $TASKHOST_MESSAGE_ATTEMPT $(echo $TASKHOST_MESSAGE_POSTED | cut -c1-4)"`, tasktest.Queue("urls"))
	r.Send(map[string]any{"url": "x"}, tasktest.MessageID("m1"), tasktest.MessageKey("k"))
	r.WaitHandled()
	wantLog(t, r, "stdout", fmt.Sprintf(`{"url":"x"}|urls m1 k 1 %d`, time.Now().UTC().Year()))
	if diff := cmp.Diff([]string{"m1"}, r.Acknowledged()); diff != "" {
		t.Errorf("acknowledged (-want +got):\n%s", diff)
	}
}

func TestTheExitCodeSaysWhatBecomesOfAMessage(t *testing.T) {
	t.Parallel()
	r := handle(t, "handle", "shell = \"exit $(cat)\"\nexit_codes {\n skip = [75]\n permanent = [78]\n}", tasktest.MaxDeliveries(2), tasktest.Concurrency(4))
	for _, code := range []int{0, 75, 78, 1} {
		r.Send(code, tasktest.MessageID(fmt.Sprint("exit", code)))
	}
	r.WaitHandled()
	acknowledged := strings.Join(r.Acknowledged(), " ")
	if !strings.Contains(acknowledged, "exit0") || !strings.Contains(acknowledged, "exit75") || len(r.Acknowledged()) != 2 {
		t.Errorf("acknowledged: %s", acknowledged)
	}
	got := map[string]string{}
	for _, d := range r.DeadLetters() {
		got[d.ID] = fmt.Sprintf("%s after %d: %s", d.Reason, d.Attempts, d.Error)
	}
	want := map[string]string{"exit78": "permanent after 1: the command failed: exit 78", "exit1": "failed after 2: the command failed: exit 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

func TestABatchIsLinesOfStandardInput(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	r := handle(t, "handle_batch", fmt.Sprintf("shell = \"sed 's/,.posted.:[^,]*//' > %s; echo $TASKHOST_MESSAGES $TASKHOST_QUEUE\"", out), tasktest.Batch(3, time.Minute))
	r.Send("a<b", tasktest.MessageID("m1"), tasktest.MessageKey("k"))
	r.Send(nil, tasktest.MessageID("m2"))
	r.Send(map[string]int{"n": 3}, tasktest.MessageID("m3"))
	r.WaitHandled()
	text, err := os.ReadFile(out)
	want := `{"id":"m1","key":"k","attempt":1,"value":"a\u003cb"}` + "\n" + `{"id":"m2","attempt":1,"value":null}` + "\n" + `{"id":"m3","attempt":1,"value":{"n":3}}` + "\n"
	if diff := cmp.Diff(want, string(text)); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	wantLog(t, r, "stdout", "3 queue")
}

func TestWhatAHandlerKeepsIsInTheCommitOfItsMessage(t *testing.T) {
	t.Parallel()
	r := handle(t, "handle", script(t, saves+"exit $(cat)", ""), tasktest.MaxDeliveries(1))
	r.Send(1, tasktest.MessageID("bad"))
	r.WaitHandled()
	if r.Checkpoint("cursor") != "" || len(r.Emitted("pages")) != 1 {
		t.Errorf("of a message that failed: cursor %q, %d messages", r.Checkpoint("cursor"), len(r.Emitted("pages")))
	}
	r.Send(0, tasktest.MessageID("good"))
	r.WaitHandled()
	if r.Checkpoint("cursor") != "7" || len(r.Emitted("pages")) != 3 {
		t.Errorf("of one that did not: cursor %q, %d messages", r.Checkpoint("cursor"), len(r.Emitted("pages")))
	}
}

func TestAHandlerDeletesAValueInTheCommitOfItsMessage(t *testing.T) {
	t.Parallel()
	const deletes = `$SAY ask '{"verb":"commit","ops":[{"key":"cursor","delete":true}]}'; grep -qE '(^|"value":)0}?$'`
	for _, typ := range []string{"handle", "handle_batch"} {
		r := handle(t, typ, script(t, deletes, ""), tasktest.Checkpoint("cursor", 7), tasktest.MaxDeliveries(1))
		r.Send(1)
		r.WaitHandled()
		if got := r.Checkpoint("cursor"); got != "7" {
			t.Errorf("%s, of a message that failed: the cursor is %q", typ, got)
		}
		r.Send(0)
		r.WaitHandled()
		if got := r.Checkpoint("cursor"); got != "" {
			t.Errorf("%s, of one that did not: the cursor is %q", typ, got)
		}
	}
}

func TestATimeoutOfAMessageKillsTheTree(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("looks at /proc")
	}
	t.Parallel()
	r := handle(t, "handle", fmt.Sprintf("shell = %q", family+"trap '' TERM; wait; while :; do sleep 0.05; done"), tasktest.Timeout(3*time.Second), tasktest.MaxDeliveries(1))
	r.Send(1, tasktest.MessageID("slow"))
	children := pids(t, r, 3)
	r.WaitHandled()
	dead := r.DeadLetters()
	if len(dead) != 1 || !strings.Contains(dead[0].Error, "within its timeout") || !strings.Contains(dead[0].Error, "SIGKILL") {
		t.Errorf("dead letters: %+v", dead)
	}
	for _, pid := range children {
		if alive(pid) {
			t.Errorf("process %d is alive after the timeout", pid)
		}
	}
}

func TestADrainLetsAMessageFinishOrGivesItBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stop         string
		acknowledged int
	}{
		"without a signal": {"", 1},
		"with one":         {`stop_signal = "TERM"`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := filepath.Join(t.TempDir(), "gate")
			r := handle(t, "handle", fmt.Sprintf("shell = \"echo begun; until [ -e %s ]; do sleep 0.01; done\"\n%s", gate, c.stop))
			r.Send(1)
			until(t, "it runs", func() bool { return logged(r, "stdout") == "begun" })
			r.Stop(time.Minute)
			if c.acknowledged > 0 {
				if err := os.WriteFile(gate, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r.Wait()
			if n := len(r.Acknowledged()); n != c.acknowledged || r.Queued() != 1-c.acknowledged || len(r.DeadLetters()) != 0 {
				t.Errorf("%d acknowledged, %d in the queue, %d dead letters", n, r.Queued(), len(r.DeadLetters()))
			}
		})
	}
}
