package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/taskhost/taskhost/host/internal/task"
)

func TestEveryFamilyCanBeScraped(t *testing.T) {
	t.Parallel()
	all := full().scrape(t)
	for _, f := range Families() {
		got, there := all[f.Name]
		if !there {
			t.Errorf("%s has no series", f.Name)
			continue
		}
		if kind := strings.ToLower(got.GetType().String()); kind != f.Kind || got.GetHelp() != f.Help {
			t.Errorf("%s is a %s %q, want a %s %q", f.Name, kind, got.GetHelp(), f.Kind, f.Help)
		}
	}
	if len(all) != len(families) {
		t.Errorf("%d families were scraped, the table has %d", len(all), len(families))
	}
}

func TestTheNamesAreThoseOfPrometheus(t *testing.T) {
	t.Parallel()
	text, err := full().Scrape(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestEndedRunsAreCountedByOutcome(t *testing.T) {
	t.Parallel()
	w := newWorld("a")
	j := w.Journal(nothing{})
	running := ended("a", "")
	running.State = task.RunRunning
	j.SaveRun(running)
	j.SaveRun(ended("a", task.OutcomeSucceeded))
	j.SaveRun(ended("a", task.OutcomeSucceeded))
	j.SaveRun(ended("a", task.OutcomeFailed))
	never := ended("a", task.OutcomeCancelled)
	never.Started = time.Time{}
	j.SaveRun(never)
	all := w.scrape(t)
	for outcome, want := range map[string]float64{"succeeded": 2, "failed": 1, "cancelled": 1} {
		if got := value(t, all, "taskhost_task_runs_total", "task", "a", "outcome", outcome); got != want {
			t.Errorf("%s: %v, want %v", outcome, got, want)
		}
	}
	if got := value(t, all, "taskhost_task_run_duration_seconds", "task", "a"); got != 3 {
		t.Errorf("%v durations, want those of the 3 runs that began", got)
	}
}

func TestLatenessCountsFromTheDueTimeWithItsJitter(t *testing.T) {
	t.Parallel()
	w := newWorld("a")
	w.Journal(nothing{}).SaveRun(ended("a", task.OutcomeSucceeded)) // entered 2 ms after its due time
	manual := ended("a", task.OutcomeSucceeded)
	manual.Trigger = task.TriggerManual
	w.Journal(nothing{}).SaveRun(manual)
	h := w.scrape(t)["taskhost_schedule_lateness_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 1 || h.GetSampleSum() < .0019 || h.GetSampleSum() > .0021 {
		t.Errorf("%d late by %v in all, want 1 by 2 ms", h.GetSampleCount(), h.GetSampleSum())
	}
}

func TestARecordThatGrowsCountsItsSlotsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld("a")
	j := w.Journal(nothing{})
	for _, r := range []task.SlotRecord{
		{ID: "1", Count: 1, Reason: task.SkippedPaused}, {ID: "1", Count: 2, Reason: task.SkippedPaused}, {ID: "1", Count: 5, Reason: task.SkippedPaused},
		{ID: "2", Count: 3, Reason: task.SkippedPaused}, {ID: "3", Count: 4, Reason: task.MissedDowntime},
	} {
		r.Task = "a"
		j.SaveSlot(r)
	}
	all := w.scrape(t)
	for reason, want := range map[string]float64{"skipped(paused)": 8, "missed(downtime)": 4} {
		if got := value(t, all, "taskhost_schedule_slots_unrun_total", "task", "a", "reason", reason); got != want {
			t.Errorf("%s: %v, want %v", reason, got, want)
		}
	}
}

func TestTheSeriesOfARemovedTaskAreGone(t *testing.T) {
	t.Parallel()
	w := full()
	w.statuses, w.defs = w.statuses[1:], w.defs[1:]
	j := w.Journal(nothing{})
	j.RemoveStatus("check.www")
	text, err := w.Scrape(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), `"check.www"`) {
		t.Errorf("a removed task is still there:\n%s", text)
	}
	w.statuses = append(w.statuses, task.Status{Task: "check.www"})
	for _, m := range w.scrape(t)["taskhost_task_runs_total"].GetMetric() {
		if has(m, []string{"task", "check.www"}) {
			t.Errorf("a new task of the name begins with %v runs", m.GetCounter().GetValue())
		}
	}
}

func TestATaskIsInOneState(t *testing.T) {
	t.Parallel()
	w := newWorld("a")
	w.statuses[0].State = task.CrashLoop
	all := w.scrape(t)
	for _, state := range task.States {
		want := one(state == task.CrashLoop)
		if got := value(t, all, "taskhost_task_status", "task", "a", "state", string(state)); got != want {
			t.Errorf("%s: %v, want %v", state, got, want)
		}
	}
}

func TestPublishedNumbersAreSeriesUpToABound(t *testing.T) {
	t.Parallel()
	w := newWorld("a", "b")
	w.publish("a", 3)
	w.publish("b", maxNumbers+20)
	all := w.scrape(t)
	if n := len(all["taskhost_task_state"].GetMetric()); n != 3+maxNumbers {
		t.Errorf("%d series, want the 3 numbers of a and %d of b", n, maxNumbers)
	}
	if got := value(t, all, "taskhost_task_state", "task", "a", "key", "key_002"); got != 2 {
		t.Errorf("key_002 is %v, want 2", got)
	}
	if got := value(t, all, "taskhost_task_state_omitted"); got != 20 {
		t.Errorf("%v are omitted, want 20", got)
	}
}

func TestAKeyMayBeAnyText(t *testing.T) {
	t.Parallel()
	w := newWorld("a")
	key := "a\"b\\c\nd\xff{}é"
	w.published["a"] = map[string]task.Published{key: {Value: []byte("1")}}
	if got := value(t, w.scrape(t), "taskhost_task_state", "key", clean(key)); got != 1 {
		t.Errorf("%v, want 1", got)
	}
}

func TestTimeOfProcessesNeverGoesBack(t *testing.T) {
	t.Parallel()
	w := newWorld("a")
	cpu := func() float64 { return value(t, w.scrape(t), "taskhost_plugin_cpu_seconds_total", "task", "a") }
	w.statuses[0].Processes = []task.ProcessInfo{{PID: 10}}
	if got := cpu(); got != 10 {
		t.Fatalf("%v s, want the 10 s of the live process", got)
	}
	w.statuses[0].Processes = nil // it has ended, and what it took is not known yet
	if got := cpu(); got != 10 {
		t.Errorf("%v s after the end, want 10 still", got)
	}
	w.Report("a", task.ProcessGone{Exit: task.ExitCause{UserCPU: 9 * time.Second, SystemCPU: 2 * time.Second}})
	if got := cpu(); got != 11 {
		t.Errorf("%v s, want the 11 s that it took in the end", got)
	}
}

func TestTheEndOfAProcessHasAReason(t *testing.T) {
	t.Parallel()
	for want, exit := range map[string]task.ExitCause{
		"ok": {}, "error": {Code: 3}, "signal": {Code: -1, Signal: "killed"}, "host": {Code: -1, Signal: "killed", ByHost: true},
		"oom": {Code: -1, Signal: "killed", OOM: true}, "panic": {Code: 2, Panic: "panic: x"},
	} {
		if got := whyGone(&exit); got != want {
			t.Errorf("%+v: %s, want %s", exit, got, want)
		}
	}
	for want, err := range map[string]error{"config": &task.ConfigError{}, "start_timeout": &task.LaunchError{Kind: task.LaunchTimeout}, "error": errors.New("x")} {
		if got := whyFailed(fmt.Errorf("launch: %w", err)); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

func TestLinesAreCountedAndSoAreThoseThatWereDropped(t *testing.T) {
	t.Parallel()
	w := newWorld("a")
	s := w.Sink("a", nothing{})
	s.Line(task.LogLine{Stream: "stderr"})
	s.Line(task.LogLine{Stream: "host", Fields: []byte(`{"dropped_lines":12,"dropped_bytes":900}`)})
	all := w.scrape(t)
	if got := value(t, all, "taskhost_log_lines_total", "task", "a", "stream", "stderr"); got != 1 {
		t.Errorf("%v lines, want 1", got)
	}
	for reason, want := range map[string]float64{"rate": 12, "disk": 5} {
		if got := value(t, all, "taskhost_log_dropped_lines_total", "task", "a", "reason", reason); got != want {
			t.Errorf("%s: %v dropped, want %v", reason, got, want)
		}
	}
}

func TestAReloadThatFailsShows(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.Reloaded(nil, epoch)
	w.Reloaded(errors.New("line 3"), epoch.Add(time.Hour))
	all := w.scrape(t)
	if got := value(t, all, "taskhost_config_last_reload_successful"); got != 0 {
		t.Errorf("successful is %v, want 0", got)
	}
	if got := value(t, all, "taskhost_config_last_reload_success_timestamp_seconds"); got != float64(epoch.Unix()) {
		t.Errorf("the last success was at %v, want %d", got, epoch.Unix())
	}
}

func TestBucketsHoldWhatIsNotAboveThem(t *testing.T) {
	t.Parallel()
	h := newHistogram(newScale(1, 2))
	for _, v := range []float64{0, 1, 1.5, 2, 2.5, 1e9} {
		h.observe(v)
	}
	counts, sum := h.read()
	if fmt.Sprint(counts) != "[2 2 2]" || sum != 1e9+7 {
		t.Errorf("%v, sum %v", counts, sum)
	}
}

func TestEverybodyCountsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld("a")
	j := w.Journal(nothing{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 100 {
				j.SaveRun(ended("a", task.OutcomeSucceeded))
				w.Committed(time.Millisecond, i, nil)
				w.Served("/v1/host", "GET", 200, time.Millisecond, false)
				w.Report("a", task.ProcessReady{})
				w.scrape(t)
			}
		})
	}
	all.Wait()
	got := w.scrape(t)
	for name, labels := range map[string][]string{
		"taskhost_task_runs_total": {"outcome", "succeeded"}, "taskhost_store_commit_duration_seconds": nil,
		"taskhost_http_requests_total": {"code", "200"}, "taskhost_plugin_starts_total": {"result", "ready"}, "taskhost_schedule_lateness_seconds": nil,
	} {
		if n := value(t, got, name, labels...); n != 800 {
			t.Errorf("%s is %v, want 800", name, n)
		}
	}
}

func TestWhatCountsAllocatesNothing(t *testing.T) {
	w := newWorld("a")
	j := w.Journal(nothing{})
	r := ended("a", task.OutcomeSucceeded)
	for name, do := range map[string]func(){
		"an ended run": func() { j.SaveRun(r) },
		"a commit":     func() { w.Committed(time.Millisecond, 3, nil) },
	} {
		do()
		if n := testing.AllocsPerRun(100, do); n > 1 {
			t.Errorf("%s takes %v allocations, want at most 1", name, n)
		}
	}
}

// BenchmarkScrape is a scrape of 1,000 tasks that have run, each with a process.
func BenchmarkScrape(b *testing.B) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("check.site-%04d", i)
	}
	w := newWorld(names...)
	j := w.Journal(nothing{})
	for _, name := range names {
		j.SaveRun(ended(name, task.OutcomeSucceeded))
		w.publish(name, 2)
		w.Report(name, task.ProcessReady{})
	}
	b.ReportAllocs()
	var size int
	for b.Loop() {
		text, err := w.Scrape(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		size = len(text)
	}
	b.ReportMetric(float64(size), "bytes")
}

func TestProcessesThatDoNotAnswerStepsOfTheClockAndConnectionsAreShown(t *testing.T) {
	t.Parallel()
	all := full().scrape(t)
	for _, tt := range []struct {
		name, label, of string
		want            float64
	}{
		{"taskhost_plugin_unresponsive", "task", "check.www", 1},
		{"taskhost_plugin_unresponsive", "task", "loader", 0},
		{"taskhost_clock_jumps_total", "direction", "forward", 4},
		{"taskhost_clock_jumps_total", "direction", "backward", 6},
		{"taskhost_http_connections", "address", "unix:data/admin.sock", 3},
		{"taskhost_http_max_connections", "listener", "ingress", 100},
		{"taskhost_http_connections_cut_total", "address", "127.0.0.1:7490", 2},
		{"taskhost_http_connections_delayed_total", "listener", "ingress", 9},
	} {
		if got := value(t, all, tt.name, tt.label, tt.of); got != tt.want {
			t.Errorf("%s of %s: %v, want %v", tt.name, tt.of, got, tt.want)
		}
	}
}
