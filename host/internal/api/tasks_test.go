package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// isProblem checks the code and status of a refusal and returns it.
func isProblem(t *testing.T, err error, status int, code string) *admin.Problem {
	t.Helper()
	p := admin.AsProblem(err)
	if p == nil || p.Status != status || p.Code != code {
		t.Fatalf("got %v (%+v), want %d %s", err, p, status, code)
	}
	if p.Remedy == "" {
		t.Errorf("%s has no remedy", code)
	}
	return p
}

func TestTasksAreFilteredAndPaged(t *testing.T) {
	t.Parallel()
	c := client(t, apitest.Start(t, ""))
	for _, tc := range []struct {
		name  string
		query admin.TaskQuery
		want  string
	}{
		{"all", admin.TaskQuery{}, "check.shop.example.org check.www.example.org clock failing loader nightly off quick slow stubborn"},
		{"by state", admin.TaskQuery{State: []string{"running"}}, "clock loader"},
		{"by two states", admin.TaskQuery{State: []string{"running", "stopped"}}, "clock loader off"},
		{"by label", admin.TaskQuery{Labels: map[string]string{"customer": "acme"}}, "check.shop.example.org check.www.example.org"},
		{"by a label that is empty", admin.TaskQuery{Labels: map[string]string{"customer": ""}}, ""},
		{"by name", admin.TaskQuery{Name: "check.*"}, "check.shop.example.org check.www.example.org"},
		{"by plugin", admin.TaskQuery{Plugin: "other"}, ""},
		{"by health", admin.TaskQuery{Degraded: true}, ""},
		{"in small pages", admin.TaskQuery{Limit: 2, Name: "c*"}, "check.shop.example.org check.www.example.org clock"},
	} {
		var names []string
		for pages := 0; pages < 10; pages++ {
			l, err := c.Tasks(t.Context(), tc.query)
			if err != nil {
				t.Fatalf("%s: %v", tc.name, err)
			}
			for _, task := range l.Items {
				names = append(names, task.Name)
			}
			if tc.query.Cursor = l.Next(); tc.query.Cursor == "" {
				break
			}
		}
		if got := strings.Join(names, " "); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	_, err := c.Tasks(t.Context(), admin.TaskQuery{State: []string{"runing"}})
	if p := isProblem(t, err, 400, "query_invalid"); !strings.Contains(p.Remedy, `"running"`) {
		t.Errorf("remedy %q names no near state", p.Remedy)
	}
	_, err = c.Tasks(t.Context(), admin.TaskQuery{Cursor: "!"})
	isProblem(t, err, 400, "query_invalid")
}

func TestATaskTellsWhatAPersonWantsToKnow(t *testing.T) {
	t.Parallel()
	c := client(t, apitest.Start(t, ""))
	clock, err := c.Task(t.Context(), "clock")
	if err != nil {
		t.Fatal(err)
	}
	if clock.State != "running" || clock.Note != "tick 120" || clock.ModeText != "continuous" || len(clock.Running) != 1 || clock.Runs[0].ID != clock.Running[0] {
		t.Errorf("clock: %+v", clock)
	}
	if string(clock.Config) != `{"url":"http://example.org","token":"***"}` {
		t.Errorf("config %s is not the redacted one", clock.Config)
	}
	_, err = c.Task(t.Context(), "clok")
	if p := isProblem(t, err, 404, "task_unknown"); p.Task != "clok" || !strings.Contains(p.Remedy, `"clock"`) {
		t.Errorf("unknown task: %+v", p)
	}
}

func TestARunIsStartedOnceForAnIdempotencyKey(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	body := admin.RunRequest{Input: json.RawMessage(`{"month":"2026-10"}`), Reason: "late invoice"}
	first, err := c.StartRun(t.Context(), "quick", body, "k1", 0)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.StartRun(t.Context(), "quick", body, "k1", 0)
	if err != nil || again.ID != first.ID || len(l.Fleet.Commands()) != 1 {
		t.Errorf("same key, same body: run %s, %v, %d commands; want %s and one command", again.ID, err, len(l.Fleet.Commands()), first.ID)
	}
	body.Reason = "another"
	_, err = c.StartRun(t.Context(), "quick", body, "k1", 0)
	isProblem(t, err, 422, "key_reused")
	if other, err := c.StartRun(t.Context(), "quick", body, "k2", 0); err != nil || other.ID == first.ID {
		t.Errorf("another key: %s, %v", other.ID, err)
	}
	if _, err := c.StartRun(t.Context(), "off", body, "k3", 0); err == nil {
		t.Error("a stopped task ran")
	}
	if _, err := c.StartRun(t.Context(), "slow", body, "k1", 0); err != nil {
		t.Errorf("the same key on another route: %v", err)
	}
}

func TestAKeyIsRememberedByTheNextHost(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	const path = "/v1/tasks/quick/runs"
	ask := func(a *api.API, path, key, body string, status int) (r admin.Run) {
		t.Helper()
		if w := (post{path, body, []string{"Idempotency-Key", key, "Content-Type", "application/json"}}).send(t, a.Handler(), apitest.Token, &r); w.Code != status {
			t.Errorf("%s with the key %s: %d %s, want %d", path, key, w.Code, w.Body, status)
		}
		return r
	}
	ran := ask(l.API, path, "k1", `{"reason":"late"}`, 200)
	retried := ask(l.API, "/v1/runs/"+ran.ID+"/retry", "k1", "", 200)
	given := len(l.Fleet.Commands())

	again := api.New(l.API.Config) // with nothing but what the store holds
	if r := ask(again, path, "k1", `{"reason":"late"}`, 200); r.ID != ran.ID {
		t.Errorf("the next host began run %s for the key of %s", r.ID, ran.ID)
	}
	if r := ask(again, "/v1/runs/"+ran.ID+"/retry", "k1", "", 200); r.ID != retried.ID {
		t.Errorf("the next host began run %s for the key of %s", r.ID, retried.ID)
	}
	ask(again, path, "k1", `{"reason":"other"}`, 422)
	if n := len(l.Fleet.Commands()); n != given {
		t.Errorf("%d commands were given for keys that are known", n-given)
	}
	ask(again, path, "k2", `{"reason":"late"}`, 200)

	next := l.API.Config
	next.Now = func() time.Time { return apitest.Epoch.Add(25 * time.Hour) }
	if r := ask(api.New(next), path, "k1", `{"reason":"other"}`, 200); r.ID == ran.ID {
		t.Error("a key is remembered for longer than a day")
	}
}

func TestManyRequestsWithOneKeyAreOneRun(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	ids := make(chan string, 32)
	for range cap(ids) {
		go func() {
			r, err := c.StartRun(t.Context(), "quick", admin.RunRequest{}, "same", 0)
			if err != nil {
				t.Error(err)
			}
			ids <- r.ID
		}()
	}
	seen := map[string]bool{}
	for range cap(ids) {
		seen[<-ids] = true
	}
	if len(seen) != 1 || len(l.Fleet.Commands()) != 1 {
		t.Errorf("%d runs by %d commands, want one", len(seen), len(l.Fleet.Commands()))
	}
}

func TestRunNowAnswersByWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	for name, want := range map[string]string{"quick": "succeeded", "failing": "failed"} {
		r, err := c.StartRun(t.Context(), name, admin.RunRequest{}, "", time.Second)
		if err != nil || r.Live() || r.Outcome != want {
			t.Errorf("%s: %s %s, %v; want ended %s", name, r.State, r.Outcome, err, want)
		}
	}
	r, err := c.StartRun(t.Context(), "slow", admin.RunRequest{}, "", 50*time.Millisecond)
	if err != nil || !r.Live() {
		t.Fatalf("slow: %s, %v; want it live when the wait ran out", r.State, err)
	}
	_, err = c.StartRun(t.Context(), "slow", admin.RunRequest{}, "", 0)
	if p := isProblem(t, err, 409, "overlap"); p.Run != r.ID {
		t.Errorf("overlap names run %q, want %q", p.Run, r.ID)
	}
	ended := make(chan admin.Run, 1)
	go func() {
		run, err := c.Run(t.Context(), r.ID, time.Minute)
		if err != nil {
			t.Error(err)
		}
		ended <- run
	}()
	if res, done, err := c.CancelRun(t.Context(), r.ID, admin.Verb{Reason: "enough"}, time.Second); err != nil || !done || !res.Changed || res.Stop.EndedIn != "cancel" {
		t.Errorf("cancel: %+v done %v, %v", res, done, err)
	}
	if got := <-ended; got.Outcome != "cancelled" {
		t.Errorf("who waited for the run got %s %s", got.State, got.Outcome)
	}
	if res, done, err := c.CancelRun(t.Context(), r.ID, admin.Verb{}, 0); err != nil || !done || res.Changed {
		t.Errorf("cancel of an ended run: changed %v done %v, %v; want a no-op", res.Changed, done, err)
	}
}

func TestInputIsCheckedAgainstTheTypesSchema(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	_, err := c.StartRun(t.Context(), "quick", admin.RunRequest{Input: json.RawMessage(`{"mont":"x","count":"3"}`)}, "", 0)
	p := isProblem(t, err, 422, "input_invalid")
	var paths []string
	for _, e := range p.Errors {
		paths = append(paths, e.Path)
	}
	slices.Sort(paths)
	if got := strings.Join(paths, " "); got != "input.count input.mont" {
		t.Errorf("problems at %q: %+v", got, p.Errors)
	}
	if len(l.Fleet.Commands()) > 0 {
		t.Error("the task was asked all the same")
	}
}

func TestStopWalksTheLadderAndOnlyEscalates(t *testing.T) {
	t.Parallel()
	c := client(t, apitest.Start(t, ""))
	if _, err := c.StartRun(t.Context(), "stubborn", admin.RunRequest{}, "", 0); err != nil {
		t.Fatal(err)
	}
	r, done, err := c.Stop(t.Context(), "stubborn", admin.Verb{Reason: "DB move"}, 20*time.Millisecond)
	if err != nil || done || r.State != "stopping" || r.Stop == nil || r.Stop.Stage != "drain" || r.Stop.KillAt.IsZero() {
		t.Fatalf("graceful stop: done %v, %v, %+v", done, err, r)
	}
	r, done, err = c.Stop(t.Context(), "stubborn", admin.Verb{Mode: admin.Kill}, time.Second)
	if err != nil || !done || r.State != "stopped" || r.Stop.From != "drain" || r.Stop.EndedIn != "kill" || r.Stop.EscalatedBy == "" {
		t.Errorf("kill: done %v, %v, %+v", done, err, r.Stop)
	}
	if r.Stopped == nil || !strings.HasPrefix(r.Note, "stopped by ") {
		t.Errorf("the stop is no override: %+v, note %q", r.Stopped, r.Note)
	}
	r, done, err = c.Stop(t.Context(), "stubborn", admin.Verb{}, 0)
	if err != nil || !done || r.Changed {
		t.Errorf("stop of a stopped task: changed %v, done %v, %v; want a no-op", r.Changed, done, err)
	}
	_, _, err = c.Stop(t.Context(), "stubborn", admin.Verb{Mode: "gracefull"}, 0)
	if p := isProblem(t, err, 422, "invalid"); !strings.Contains(p.Remedy, `"graceful"`) {
		t.Errorf("remedy %q", p.Remedy)
	}
	if _, err := c.StartRun(t.Context(), "stubborn", admin.RunRequest{}, "", 0); err == nil {
		t.Error("a stopped task ran")
	}
	if r, done, err = c.Start(t.Context(), "stubborn", admin.Verb{}, time.Second); err != nil || !done || !r.Changed || r.State != "idle" {
		t.Errorf("start: %s changed %v done %v, %v", r.State, r.Changed, done, err)
	}
}

func TestOverridesAreListedAndDropped(t *testing.T) {
	t.Parallel()
	c := client(t, apitest.Start(t, ""))
	until := apitest.Epoch.Add(time.Hour)
	r, err := c.Pause(t.Context(), "quick", admin.Pause{Reason: "DB move", Until: admin.At(until)})
	if err != nil || r.Paused == nil || !r.Paused.Until.Equal(until) {
		t.Fatalf("pause: %+v, %v", r.Paused, err)
	}
	_, err = c.Pause(t.Context(), "quick", admin.Pause{Until: admin.At(apitest.Epoch.Add(-time.Second))})
	isProblem(t, err, 422, "invalid")
	l, err := c.Overrides(t.Context(), "")
	if err != nil || len(l.Items) != 1 || l.Items[0].What != "paused" || l.Items[0].Task != "quick" || l.Items[0].Reason != "DB move" {
		t.Errorf("overrides: %+v, %v", l.Items, err)
	}
	if r, err = c.DropOverrides(t.Context(), "quick"); err != nil || !r.Changed || r.Paused != nil {
		t.Errorf("drop: %+v, %v", r, err)
	}
	if l, err = c.Overrides(t.Context(), "quick"); err != nil || len(l.Items) != 0 {
		t.Errorf("after the drop: %+v, %v", l.Items, err)
	}
}

func TestCheckpointIsWrittenByVersionAndNotUnderALiveRun(t *testing.T) {
	t.Parallel()
	c := client(t, apitest.Start(t, ""))
	v, err := c.SetCheckpoint(t.Context(), "slow", "cursor", json.RawMessage(`{"page":7}`), admin.CheckpointWrite{})
	if err != nil || v.Version == 0 {
		t.Fatalf("write: %+v, %v", v, err)
	}
	_, err = c.SetCheckpoint(t.Context(), "slow", "cursor", json.RawMessage(`8`), admin.CheckpointWrite{IfVersion: v.Version + 1})
	isProblem(t, err, 412, "version_conflict")
	run, err := c.StartRun(t.Context(), "slow", admin.RunRequest{}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.SetCheckpoint(t.Context(), "slow", "cursor", json.RawMessage(`8`), admin.CheckpointWrite{})
	if p := isProblem(t, err, 409, "run_live"); p.Run != run.ID {
		t.Errorf("run_live names %q", p.Run)
	}
	if _, err = c.SetCheckpoint(t.Context(), "slow", "cursor", json.RawMessage(`8`), admin.CheckpointWrite{Force: true, IfVersion: v.Version}); err != nil {
		t.Errorf("force: %v", err)
	}
	all, err := c.Checkpoint(t.Context(), "slow")
	if err != nil || string(all.Values["cursor"].Value) != "8" {
		t.Errorf("read: %+v, %v", all, err)
	}
	err = c.DeleteCheckpoint(t.Context(), "slow", "curser", admin.CheckpointWrite{Force: true})
	if p := isProblem(t, err, 404, "key_unknown"); !strings.Contains(p.Remedy, `"cursor"`) {
		t.Errorf("remedy %q", p.Remedy)
	}
	if err = c.DeleteCheckpoint(t.Context(), "slow", "cursor", admin.CheckpointWrite{Force: true}); err != nil {
		t.Errorf("delete: %v", err)
	}
}

func TestMethodsAnswerOrSayWhyNot(t *testing.T) {
	t.Parallel()
	c := client(t, apitest.Start(t, ""))
	if out, err := c.Call(t.Context(), "clock", "echo", json.RawMessage(`{"a":1}`), 0); err != nil || string(out) != `{"a":1}` {
		t.Errorf("echo: %s, %v", out, err)
	}
	_, err := c.Call(t.Context(), "clock", "ecko", nil, 0)
	if p := isProblem(t, err, 404, "method_unknown"); !strings.Contains(p.Remedy, `"echo"`) {
		t.Errorf("remedy %q", p.Remedy)
	}
	_, err = c.Call(t.Context(), "clock", "hang", nil, 20*time.Millisecond)
	isProblem(t, err, 504, "deadline")
	if _, _, err := c.Stop(t.Context(), "clock", admin.Verb{}, time.Second); err != nil {
		t.Fatal(err)
	}
	_, err = c.Call(t.Context(), "clock", "echo", nil, 0)
	isProblem(t, err, 409, "not_running")
}

func TestScheduleAndBackfill(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	s, err := c.Schedule(t.Context(), "nightly", time.Time{}, time.Time{}, 3)
	if err != nil || len(s.Items) != 3 || s.TimeZone != "Europe/Berlin" || s.ModeText != "cron 15 2 * * *" || s.Items[0].NotBefore.IsZero() {
		t.Errorf("schedule: %+v, %v", s, err)
	}
	all, err := c.ScheduleAll(t.Context(), time.Time{}, apitest.Epoch.Add(time.Minute), 0)
	if err != nil || len(all.Items) != 4 || all.Items[0].Task != "nightly" || all.Items[1].Task != "quick" {
		t.Errorf("all: %+v, %v", all.Items, err)
	}
	span := admin.Backfill{From: admin.At(apitest.Epoch), To: admin.At(apitest.Epoch.Add(90 * time.Second)), DryRun: true}
	if b, _, err := c.Backfill(t.Context(), "quick", span, 0); err != nil || len(b.Slots) != 3 || b.Changed || len(l.Fleet.Commands()) != 0 {
		t.Errorf("dry run: %+v, %v", b, err)
	}
	span.DryRun = false
	if b, done, err := c.Backfill(t.Context(), "quick", span, time.Second); err != nil || !done || !b.Changed || len(b.Runs) != 3 || b.Runs[1].Trigger != "backfill" {
		t.Errorf("backfill: %+v, %v", b, err)
	}
	span.To = admin.At(apitest.Epoch.Add(1000 * time.Hour))
	_, _, err = c.Backfill(t.Context(), "quick", span, 0)
	isProblem(t, err, 422, "invalid")
	_, _, err = c.Backfill(t.Context(), "clock", span, 0)
	isProblem(t, err, 409, "not_periodic")
}

func TestActionsReachWhatIsSelected(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	acme := admin.Select{"label.customer": "acme"}
	r, _, err := c.Act(t.Context(), admin.Action{Verb: "pause", Select: acme, DryRun: true}, 0)
	if err != nil || r.Matched != 2 || len(l.Fleet.Commands()) != 0 {
		t.Errorf("dry run: %+v, %v", r, err)
	}
	r, done, err := c.Act(t.Context(), admin.Action{Verb: "pause", Select: acme, Reason: "move"}, time.Second)
	if err != nil || !done || r.Matched != 2 || !r.Results[0].Changed || len(l.Fleet.Commands()) != 2 {
		t.Errorf("pause: %+v, %v", r, err)
	}
	r, _, err = c.Act(t.Context(), admin.Action{Verb: "run", Select: admin.Select{"name": "*"}}, 0)
	if err != nil || r.Matched != 10 {
		t.Fatalf("run all: %+v, %v", r, err)
	}
	for _, item := range r.Results {
		switch item.Task {
		case "clock", "loader", "off":
			if item.Status != http.StatusConflict || item.Problem == nil {
				t.Errorf("%s: %+v, want a conflict", item.Task, item)
			}
		default:
			if item.Status != 200 || item.Run == "" {
				t.Errorf("%s: %+v, want a run", item.Task, item)
			}
		}
	}
	given := len(l.Fleet.Commands())
	for _, s := range []admin.Select{nil, {"nmae": "x"}, {"name": ""}, {"plugin": ""}, {"name": "", "label.customer": "acme"}, {"state": ""}} {
		_, _, err = c.Act(t.Context(), admin.Action{Verb: "stop", Select: s}, 0)
		isProblem(t, err, 422, "invalid")
	}
	if r, _, err := c.Act(t.Context(), admin.Action{Verb: "stop", Select: admin.Select{"label.customer": ""}}, 0); err != nil || r.Matched != 0 {
		t.Errorf("an empty label selects %d tasks, %v; want none: none has it", r.Matched, err)
	}
	if n := len(l.Fleet.Commands()); n != given {
		t.Errorf("%d commands were given by selections of nothing", n-given)
	}
}

func TestWaitForATask(t *testing.T) {
	t.Parallel()
	c := client(t, apitest.Start(t, ""))
	if got, reached, err := c.WaitTask(t.Context(), "clock", "ready", time.Second); err != nil || !reached || got.State != "running" {
		t.Errorf("ready: %v %s, %v", reached, got.State, err)
	}
	if _, reached, err := c.WaitTask(t.Context(), "clock", "stopped", 20*time.Millisecond); err != nil || reached {
		t.Errorf("a wait that ran out: reached %v, %v", reached, err)
	}
	waited := make(chan bool, 1)
	go func() {
		_, reached, err := c.WaitTask(t.Context(), "clock", "stopped", time.Minute)
		waited <- reached && err == nil
	}()
	if _, _, err := c.Stop(t.Context(), "clock", admin.Verb{}, 0); err != nil {
		t.Fatal(err)
	}
	if !<-waited {
		t.Error("the wait missed the stop")
	}
	_, _, err := c.WaitTask(t.Context(), "clock", "stoped", time.Second)
	isProblem(t, err, 400, "query_invalid")
}

func TestRunsAreListedRetriedAndExtended(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	run, err := c.StartRun(t.Context(), "failing", admin.RunRequest{Input: json.RawMessage(`{"count":3}`)}, "", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.RetryRun(t.Context(), run.ID, "once more", time.Second)
	if err != nil || again.Trigger != "retry" || string(again.Input) != `{"count":3}` {
		t.Errorf("retry: %+v, %v", again, err)
	}
	live, err := c.StartRun(t.Context(), "slow", admin.RunRequest{}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.RetryRun(t.Context(), live.ID, "", 0)
	isProblem(t, err, 409, "run_live")
	if r, err := c.SetRunTimeout(t.Context(), live.ID, admin.RunPatch{Timeout: admin.Seconds(10 * time.Minute)}); err != nil || !r.Changed {
		t.Errorf("timeout: %+v, %v", r, err)
	}
	last := l.Fleet.Commands()[len(l.Fleet.Commands())-1]
	if last.Verb != task.VerbTimeout || last.Timeout != 10*time.Minute || last.Run != live.ID {
		t.Errorf("the task got %+v", last)
	}
	_, err = c.SetRunTimeout(t.Context(), run.ID, admin.RunPatch{Timeout: 1})
	isProblem(t, err, 409, "run_ended")
	list, err := c.Runs(t.Context(), admin.RunQuery{Tasks: []string{"slow", "failing"}, Limit: 2})
	if err != nil || len(list.Items) != 2 || list.Items[0].ID != live.ID || list.Next() == "" {
		t.Errorf("list: %+v, %v; want the live run first and a next page", list, err)
	}
	if list, err = c.Runs(t.Context(), admin.RunQuery{Outcomes: []string{"failed"}}); err != nil || len(list.Items) != 2 {
		t.Errorf("failed ones: %+v, %v", list.Items, err)
	}
	_, err = c.Run(t.Context(), "nope", 0)
	isProblem(t, err, 404, "run_unknown")
	_, err = c.Run(t.Context(), task.NewID(apitest.Epoch), 0)
	isProblem(t, err, 404, "run_unknown")
}

func TestHostVerbsAndReads(t *testing.T) {
	t.Parallel()
	c := client(t, apitest.Start(t, ""))
	h, err := c.Host(t.Context())
	if err != nil || h.Tasks["idle"] != 7 || h.Live != 2 || h.Version != "0.1.0" {
		t.Errorf("host: %+v, %v", h, err)
	}
	if r, err := c.PauseHost(t.Context(), admin.Pause{Reason: "move"}); err != nil || !r.Changed || r.Paused == nil || r.State != "paused" {
		t.Errorf("pause: %+v, %v", r, err)
	}
	if r, err := c.ResumeHost(t.Context(), admin.Resume{}); err != nil || r.Paused != nil {
		t.Errorf("resume: %+v, %v", r, err)
	}
	if r, done, err := c.DrainHost(t.Context(), admin.Verb{}, 20*time.Millisecond); err != nil || done || r.State != "draining" {
		t.Errorf("drain with a live run: %s done %v, %v", r.State, done, err)
	}
	if r, err := c.ShutdownHost(t.Context(), admin.Verb{Mode: admin.Hard}); err != nil || r.State != "stopping" {
		t.Errorf("shutdown: %+v, %v", r, err)
	}
	if w, err := c.Whoami(t.Context()); err != nil || w.Role != "admin" || w.Via != "unix" || w.UID == nil {
		t.Errorf("whoami: %+v, %v", w, err)
	}
	if g, err := c.Groups(t.Context()); err != nil || len(g.Items) != 1 || g.Items[0].Per.Duration() != time.Minute {
		t.Errorf("groups: %+v, %v", g, err)
	}
	if p, err := c.Plugins(t.Context()); err != nil || len(p.Items) != 2 || p.Items[0].Error == "" || len(p.Items[1].Tasks) != 10 {
		t.Errorf("plugins: %+v, %v", p, err)
	}
	if p, err := c.Plugin(t.Context(), "demo"); err != nil || p.Types[1].Methods[0].Name != "echo" || !strings.Contains(string(p.Types[0].Input), "month") {
		t.Errorf("plugin: %+v, %v", p, err)
	}
	_, err = c.Plugin(t.Context(), "dmeo")
	isProblem(t, err, 404, "plugin_unknown")
}

func TestTheTokenLetsInOverTCP(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c, err := admin.New(l.TCP, admin.Options{Token: apitest.Token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if w, err := c.Whoami(t.Context()); err != nil || w.Name != "admin" || w.Via != "token" || w.UID != nil {
		t.Errorf("whoami: %+v, %v", w, err)
	}
	none := apitest.Start(t, "", func(c *api.Config) { c.Token = api.Token{} })
	res, p := ask(t, none, route{"GET", "/v1/whoami"}, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") })
	if res.StatusCode != 401 || p.Code != "token_wrong" {
		t.Errorf("a host without a token let somebody in: %d %s", res.StatusCode, p.Code)
	}
}
