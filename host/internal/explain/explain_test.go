package explain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/explain"
	"github.com/taskhost/taskhost/host/internal/task"
)

var now = time.Date(2027, time.March, 27, 12, 0, 0, 0, time.UTC)

// text joins an explanation: the titles, and each sentence with the paths of its values.
func text(e explain.Explanation) string {
	var b strings.Builder
	for _, p := range e.Parts {
		b.WriteString("# " + p.Title + "\n")
		for _, s := range p.Sentences {
			b.WriteString(s.Text)
			for _, o := range s.From {
				b.WriteString(" [" + o.Path + " " + string(o.From) + "]")
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// nightly is a periodic task with most of what can be said.
func nightly() task.Definition {
	return task.Definition{
		Name: "dump.shop", Block: "dump", Key: "shop", Source: "shop.hcl:3", Plugin: "exec", Type: "command", User: "postgres", Mode: task.Periodic, Enabled: true,
		Schedule: task.Schedule{
			Cron: []string{"30 2 * * *"}, TimeZone: "Europe/Berlin", Jitter: time.Minute, Overlap: task.OverlapQueue,
			CatchUp: task.CatchUp{Policy: task.CatchUpAll, Max: 3, Window: time.Hour},
		},
		Retry: task.Retry{Attempts: 3, Backoff: time.Second, MaxBackoff: time.Minute, On: []task.ErrorClass{task.ErrorCrash}}, Timeout: time.Hour, StuckAfter: 2 * time.Hour,
		Stop: task.Ladder{Drain: 10 * time.Second, Cancel: 5 * time.Second}, Groups: []string{"disk"}, Limits: task.Limits{Memory: 1 << 30},
		Alarm: task.Alarm{Failing: 1, Late: 3, LateBy: 30 * time.Second, Stuck: true}, Keep: task.Keep{Succeeded: 10, Failed: 20, Logs: 1 << 20},
		AfterRun: []task.AfterRun{{Task: "clean", Outcomes: []task.Outcome{"succeeded", "failed"}}}, Process: task.ProcessAuto, Idle: time.Minute,
	}
}

func TestAPeriodicTaskIsExplained(t *testing.T) {
	t.Parallel()
	e := explain.Of(nightly(), []config.Origin{
		{Path: "periodic.overlap", Value: "queue", From: config.FromDefault, Place: "shop.hcl:1"},
		{Path: "config.command", Value: `["a"]`, From: config.FromForEach, Place: "shop.hcl:9"},
	}, now)
	got := text(e)
	for _, want := range []string{
		"Runs command of the plugin exec, under the account postgres.\n",
		`It is the instance "shop" of the block "dump".`,
		"The plugin gets this configuration. [config.command for_each]\n",
		`A run for every slot of "30 2 * * *", on the wall clock of Europe/Berlin`,
		"Each begins up to 1m after its slot.\n",
		`A run after every run of "clean" that ended as succeeded or failed.`,
		"A slot that is due then waits; of several the newest is run. [periodic.overlap defaults]\n",
		"Up to 3 slots that have passed run one after the other, when they are not older than 1h; the others are recorded as missed.\n",
		"A run that fails is tried up to 3 times in all: after 1s, then after twice that, up to 1m.\n",
		"Only after errors of the class crash.\n",
		"An attempt may take 1h; it is cancelled then.\n",
		"A run that takes longer than 2h raises an alarm.\n",
		"It has 10s to finish (drain), then 5s to give up (cancel)",
		`Its runs count in "disk"`,
		"It may take 1GiB of memory.\n",
		"It is degraded when a run fails.\n",
		"It is degraded when a slot begins more than 30s late, 3 times in a row.\n",
		"10 runs that succeeded and 20 that did not, for ever, and 1MiB of log.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	// The clocks skip 02:30 on 28 March.
	if len(e.Next) != 5 || !e.Next[0].Equal(time.Date(2027, time.March, 28, 1, 0, 0, 0, time.UTC)) || e.TimeZone != "Europe/Berlin" {
		t.Errorf("next %v in %s", e.Next, e.TimeZone)
	}
}

func TestWhatHasNoMeaningForAModeIsNotSaid(t *testing.T) {
	t.Parallel()
	d := nightly()
	d.Mode, d.Schedule, d.Enabled = task.Continuous, task.Schedule{}, false
	d.Continuous.Restart = task.Restart{Policy: task.RestartAlways, Backoff: time.Second, MaxBackoff: time.Minute, ResetAfter: time.Minute, MaxFailures: 5, Window: time.Hour}
	d.Continuous.Watchdog = task.Watchdog{Timeout: time.Minute, Action: task.WatchdogAlarm}
	d.Consume = &task.Consume{Queue: "urls", Concurrency: 4, Rate: 10, Per: time.Minute, Batch: task.Batch{Size: 5, Wait: time.Second}}
	d.Outputs = map[string]string{"pages": "store"}
	e := explain.Of(d, nil, now)
	got := text(e)
	for _, never := range []string{"slot", "tried up to", "still going", "host was down", "stopped before its work"} {
		if strings.Contains(got, never) {
			t.Errorf("%q is said of a continuous task:\n%s", never, got)
		}
	}
	for _, want := range []string{
		"It is stopped until somebody starts it.", `It handles the messages of the queue "urls", 4 at a time.`, "No more than 10 per 1m.", "In batches of up to 5",
		`What it emits as "pages" goes to the queue "store".`, "Whatever its end, it is started again", "After 1m without a sign of life an alarm is raised.", "The handling of a message, or of a batch, may take 1h",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if len(e.Next) != 0 {
		t.Errorf("a continuous task has the slots %v", e.Next)
	}
}

func TestADelayHasNoSlotsAheadOfItsRun(t *testing.T) {
	t.Parallel()
	d := nightly()
	d.Schedule = task.Schedule{After: time.Minute, HasAfter: true}
	e := explain.Of(d, nil, now)
	if got := text(e); len(e.Next) != 0 || !strings.Contains(got, "A run 1m after the end of the one before it.") || strings.Contains(got, "still going") {
		t.Errorf("%v\n%s", e.Next, got)
	}
}
