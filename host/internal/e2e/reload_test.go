package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// rewrite gives the host other tasks, in its file alone.
func rewrite(h *admintest.Host, hcl string) { h.WriteConfig(brisk + hcl) }

// reload lets the host read its file again.
func reload(t *testing.T, h *admintest.Host) admin.Applied {
	t.Helper()
	done, err := h.Apply(t.Context(), admin.Apply{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// untilReload waits for what came of a reload.
func untilReload(h *admintest.Host, what string, is func(admin.Config) bool) (c admin.Config) {
	h.Until("the configuration "+what, func(ctx context.Context) (err error) {
		if c, err = h.Config(ctx); err == nil && !is(c) {
			err = fmt.Errorf("generation %d, last reload %+v", c.Generation, c.LastReload)
		}
		return err
	})
	return c
}

// changes are the words of a plan by task.
func changes(tasks []admin.TaskChange) map[string]string {
	all := map[string]string{}
	for _, c := range tasks {
		all[c.Task] = c.Change
	}
	return all
}

func isUp(t admin.Task) bool { return t.State == "running" && t.Ready && len(t.Processes) == 1 }

func TestASighupTakesOverWhatChangedAndNothingElse(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("steady", "continuous {}")+actor("changed", "continuous {}")+actor("gone", "on_demand {}", `work = "10m"`, `until = "drain"`))
	steady, changed := untilTask(h, "steady", "is up", isUp), untilTask(h, "changed", "is up", isUp)
	left := begin(t, h, "gone", "")
	rewrite(h, "# a line more\n"+actor("steady", "continuous {}")+actor("changed", "continuous {}", `beat = "1s"`)+actor("added", "on_demand {}")+
		"group \"g\" {\n  max = 1\n}\nqueue \"q\" {}\n")

	p, err := h.Plan(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"steady": admin.NoChange, "changed": admin.Restart, "gone": admin.Removed, "added": admin.Added}
	if got := changes(p.Tasks); !p.Changed || len(got) != 4 || got["steady"] != want["steady"] || got["changed"] != want["changed"] || got["gone"] != want["gone"] || got["added"] != want["added"] {
		t.Errorf("the plan says %v, want %v", got, want)
	}
	for _, c := range p.Tasks {
		if c.Task == "gone" && (len(c.Runs) != 1 || c.Runs[0].ID != left.ID) {
			t.Errorf("the plan does not name the run that would end: %+v", c)
		}
		if c.Task == "changed" && (len(c.Attributes) != 1 || c.Attributes[0].Path != "config.beat" || c.Attributes[0].Class != admin.Restart) {
			t.Errorf("the plan does not name the attribute: %+v", c.Attributes)
		}
	}
	if len(p.Groups) != 1 || p.Groups[0].Change != admin.Added || len(p.Queues) != 1 {
		t.Errorf("groups %+v, queues %+v", p.Groups, p.Queues)
	}
	h.Signal(syscall.SIGHUP)
	c := untilReload(h, "is the second", func(c admin.Config) bool { return c.Generation == 2 })
	if c.LastReload == nil || !c.LastReload.OK || c.LastReload.By != "SIGHUP" || c.Digest != p.Digest {
		t.Errorf("the last reload: %+v", c.LastReload)
	}
	again := untilTask(h, "changed", "is up anew", func(now admin.Task) bool {
		return isUp(now) && now.Processes[0].PID != changed.Processes[0].PID
	})
	if again.Generation != 2 {
		t.Errorf("changed is of generation %d", again.Generation)
	}
	if now := untilTask(h, "steady", "is up", isUp); now.Processes[0].PID != steady.Processes[0].PID || now.Running[0] != steady.Running[0] {
		t.Error("a task that did not change was restarted")
	}
	if r := run(t, h, "added", admin.RunRequest{}); r.Outcome != "succeeded" || r.Generation != 2 {
		t.Errorf("the new task ran %s in generation %d", r.Outcome, r.Generation)
	}
	if r := untilRun(h, left.ID, "has ended", isEnded); r.EndedIn != "drain" {
		t.Errorf("the run of the task that is gone ended in %s, %s", r.EndedIn, r.Outcome)
	}
	_, err = h.Task(t.Context(), "gone")
	wantProblem(t, err, 410, "task_gone")
	if _, err := h.Post(t.Context(), "q", json.RawMessage(`1`), admin.PostOptions{}); err != nil {
		t.Errorf("the new queue: %v", err)
	}
	if done := reload(t, h); done.Changed || done.Generation != 2 {
		t.Errorf("a reload of the same: %+v", done)
	}
}

func TestABrokenFileChangesNothing(t *testing.T) {
	t.Parallel()
	good := actor("a", "continuous {}")
	h := stage(t, good)
	up := untilTask(h, "a", "is up", isUp)
	rewrite(h, good+"task \"b\" {\n  plugin = \"actor\"\n  type = \"wrok\"\n  on_demand {}\n}\n")
	_, err := h.Apply(t.Context(), admin.Apply{}, 0)
	wantProblem(t, err, 422, "config_invalid")
	ds := admin.AsProblem(err).Diagnostics
	if len(ds) != 1 || ds[0].File == "" || ds[0].Line == 0 || ds[0].Column == 0 || ds[0].Snippet != `  type = "wrok"` || !strings.Contains(ds[0].Hint, "work") {
		t.Errorf("the diagnostics: %+v", ds)
	}
	_, err = h.Plan(t.Context(), 0)
	wantProblem(t, err, 422, "config_invalid")
	h.WriteConfig("task {{")
	h.Signal(syscall.SIGHUP)
	c := untilReload(h, "says why it was not taken", func(c admin.Config) bool { return c.LastReload != nil && c.LastReload.By == "SIGHUP" })
	if c.LastReload.OK || len(c.LastReload.Diagnostics) == 0 || c.Generation != 1 || len(c.Drift.Files) != 1 {
		t.Errorf("after it: %+v", c)
	}
	if err := h.Ready(t.Context()); err != nil {
		t.Errorf("the host is not ready: %v", err)
	}
	if now := untilTask(h, "a", "is up", isUp); now.Running[0] != up.Running[0] {
		t.Error("the task was disturbed")
	}
	if out := h.Output(); !strings.Contains(out, "what held before goes on") || !strings.Contains(out, "config.hcl:") {
		t.Errorf("the log does not say so:\n%s", out)
	}
	stdout, stderr, code := terminal(t, h.Dir, "reload")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "config.hcl:") {
		t.Errorf("taskhost reload: %d %q %q", code, stdout, stderr)
	}
	if _, _, code := terminal(t, h.Dir, "plan", "-detailed-exitcode"); code != 1 {
		t.Errorf("taskhost plan: %d", code)
	}
	rewrite(h, good)
	if done := reload(t, h); done.Changed {
		t.Errorf("the file is as it was: %+v", done)
	}
	if _, _, code := terminal(t, h.Dir, "plan", "-detailed-exitcode"); code != 0 {
		t.Errorf("taskhost plan of the same: %d", code)
	}
	rewrite(h, actor("a", "continuous {}\ntimeout = \"1h\""))
	if _, _, code := terminal(t, h.Dir, "plan", "-detailed-exitcode", "-json"); code != 2 {
		t.Errorf("taskhost plan of a change: %d", code)
	}
}

func TestAReloadDoesWhatThePlanShowedOrNothing(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("a", "on_demand {}"))
	rewrite(h, actor("a", "on_demand {}\nidle = \"2m\""))
	p, err := h.Plan(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(h, actor("a", "on_demand {}\nidle = \"3m\""))
	_, err = h.Apply(t.Context(), admin.Apply{Plan: p.ID}, 0)
	wantProblem(t, err, 412, "plan_stale")
	_, err = h.Apply(t.Context(), admin.Apply{}, 7)
	wantProblem(t, err, 412, "version_conflict")
	if c, err := h.Config(t.Context()); err != nil || c.Generation != 1 || c.LastReload != nil {
		t.Errorf("it was taken over all the same: %+v, %v", c, err)
	}
	if p, err = h.Plan(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	done, err := h.Apply(t.Context(), admin.Apply{Plan: p.ID, Reason: "longer"}, p.Generation)
	if err != nil || done.Generation != 2 || done.Plan.ID != p.ID {
		t.Fatalf("applied %+v, %v", done, err)
	}
	_, err = h.Apply(t.Context(), admin.Apply{Plan: p.ID}, 0)
	wantProblem(t, err, 412, "plan_stale")
	all, err := h.Generations(t.Context())
	if err != nil || len(all.Items) != 2 || all.Items[0].Reason != "longer" || all.Items[0].Summary != "1 live" || !all.Items[0].Holds || !all.Items[1].Files {
		t.Errorf("generations %+v, %v", all.Items, err)
	}
}

func TestAChangedTimeoutEndsTheRunThatIsAtWork(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("a", "on_demand {}\ntimeout = \"10m\"", `work = "10m"`))
	r := begin(t, h, "a", "")
	rewrite(h, actor("a", "on_demand {}\ntimeout = \"1s\"", `work = "10m"`))
	if done := reload(t, h); changes(done.Plan.Tasks)["a"] != admin.Live {
		t.Errorf("the plan: %+v", done.Plan.Tasks)
	}
	if got := untilRun(h, r.ID, "has ended", isEnded); got.Outcome != "timed_out" || len(got.Attempts) != 1 {
		t.Errorf("it ended %s", got.Outcome)
	}
}

func TestARenamedTaskKeepsItsPast(t *testing.T) {
	t.Parallel()
	const body = "periodic {\n every = \"200ms\"\n }"
	h := stage(t, actor("old", body, `say = "under the old name"`)+actor("other", "on_demand {}"))
	untilRuns(h, 3, ended("old"))
	if _, err := h.Pause(t.Context(), "old", admin.Pause{Reason: "over lunch"}); err != nil {
		t.Fatal(err)
	}
	untilTask(h, "old", "rests", func(t admin.Task) bool { return len(t.Running) == 0 })
	if _, err := h.SetCheckpoint(t.Context(), "old", "cursor", json.RawMessage("7"), admin.CheckpointWrite{}); err != nil {
		t.Fatal(err)
	}
	before, err := h.Runs(t.Context(), ended("old"))
	if err != nil {
		t.Fatal(err)
	}
	moved := actor("new", body, `say = "under the old name"`) + actor("other", "on_demand {}") + "moved {\n  from = \"old\"\n  to   = \"new\"\n}\n"
	rewrite(h, moved)
	if done := reload(t, h); changes(done.Plan.Tasks)["new"] != admin.Renamed || len(done.Plan.Tasks) != 2 {
		t.Errorf("the plan: %+v", done.Plan.Tasks)
	}
	for _, life := range []string{"at once", "after a restart"} {
		if life != "at once" {
			h.Stop()
			h.Launch()
		}
		held := untilTask(h, "new", "is there and paused", func(t admin.Task) bool { return t.Paused != nil && t.Paused.Reason == "over lunch" })
		if held.Last == nil {
			t.Errorf("%s: it has no last run", life)
		}
		after, err := h.Runs(t.Context(), ended("new"))
		if err != nil || len(after.Items) != len(before.Items) || after.Items[0].ID != before.Items[0].ID || after.Items[0].Task != "new" {
			t.Errorf("%s: %d runs, %v; want %d", life, len(after.Items), err, len(before.Items))
		}
		if c, err := h.Checkpoint(t.Context(), "new"); err != nil || string(c.Values["cursor"].Value) != "7" {
			t.Errorf("%s: the checkpoint is %+v, %v", life, c, err)
		}
		if text := logOf(t, h, before.Items[0].ID); !strings.Contains(text, "under the old name") {
			t.Errorf("%s: the log is %q", life, text)
		}
		_, err = h.Task(t.Context(), "old")
		wantProblem(t, err, 404, "task_unknown")
		if c, err := h.Config(t.Context()); err != nil || c.Generation != 2 {
			t.Errorf("%s: generation %d, %v", life, c.Generation, err)
		}
	}
	if _, err := h.Rollback(t.Context(), admin.Rollback{Generation: 1}, 0); err != nil {
		t.Fatal(err)
	}
	untilTask(h, "old", "has its past again", func(t admin.Task) bool { return t.Paused != nil })
	if back, err := h.Runs(t.Context(), ended("old")); err != nil || len(back.Items) != len(before.Items) {
		t.Errorf("after the rollback: %d runs, %v", len(back.Items), err)
	}
}

func TestARollbackBringsTheFilesOfAGenerationBack(t *testing.T) {
	t.Parallel()
	first, second := actor("a", "on_demand {}\ndescription = \"one\""), actor("a", "on_demand {}\ndescription = \"two\"")
	h := stage(t, first)
	rewrite(h, second)
	reload(t, h)
	p, err := h.Plan(t.Context(), 1)
	if err != nil || !p.Changed {
		t.Fatalf("the plan of it: %+v, %v", p, err)
	}
	done, err := h.Rollback(t.Context(), admin.Rollback{Generation: 1, Reason: "two was wrong"}, 2)
	if err != nil || done.Generation != 3 || !done.Changed {
		t.Fatalf("Rollback = %+v, %v", done, err)
	}
	if a, err := h.Task(t.Context(), "a"); err != nil || a.Description != "one" {
		t.Errorf("the task is %q, %v", a.Description, err)
	}
	c, err := h.Config(t.Context())
	if err != nil || c.How != "rollback" || c.Of != 1 || len(c.Drift.Files) != 1 {
		t.Errorf("it holds %+v, %v; want to be told that the file says otherwise", c, err)
	}
	g, err := h.Generation(t.Context(), 3)
	if err != nil || g.Changes == nil || len(g.Changes.Tasks) != 1 || g.Reason != "two was wrong" {
		t.Errorf("generation 3: %+v, %v", g, err)
	}
	if d, err := h.GenerationDiff(t.Context(), 1, 3); err != nil || len(d.Tasks) != 0 {
		t.Errorf("1 to 3: %+v, %v", d, err)
	}
	if d, err := h.GenerationDiff(t.Context(), 2, 0); err != nil || len(d.Tasks) != 1 || d.Tasks[0].Attributes[0].New != "one" {
		t.Errorf("2 to now: %+v, %v", d, err)
	}
	_, err = h.Rollback(t.Context(), admin.Rollback{Generation: 9}, 0)
	wantProblem(t, err, 404, "generation_unknown")
	// A start reads the files; when they say the same, it is the same generation.
	h.Stop()
	h.Launch()
	if c, err := h.Config(t.Context()); err != nil || c.Generation != 4 || c.How != "start" {
		t.Errorf("after a start: %+v, %v", c, err)
	}
	h.Stop()
	h.Launch()
	if c, err := h.Config(t.Context()); err != nil || c.Generation != 4 {
		t.Errorf("after another start: %+v, %v", c, err)
	}
	files, err := filepath.Glob(filepath.Join(h.DataDir, "generations", "*", "*"))
	if err != nil || len(files) != 8 {
		t.Errorf("kept files: %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info.Mode(), err)
		}
	}
}

func TestAPluginThatIsReplacedServesTheNextRun(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("job", "on_demand {}")+actor("live", "continuous {}"))
	live := untilTask(h, "live", "is up", isUp)
	r := begin(t, h, "job", `{"work":"2s"}`)
	path := filepath.Join(h.Dir, "plugins", "actor")
	binary, err := os.ReadFile(path)
	if err == nil {
		err = os.Remove(path)
	}
	if err == nil {
		err = os.WriteFile(path, append(binary, 0), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.Config(t.Context())
	if err != nil || !slices.Equal(c.Drift.Plugins, []string{"actor"}) {
		t.Errorf("the drift is %+v, %v", c.Drift, err)
	}
	done := reload(t, h)
	if got := changes(done.Plan.Tasks); got["job"] != admin.NextRun || got["live"] != admin.Restart || len(done.Plan.Plugins) != 1 {
		t.Errorf("the plan says %v, plugins %+v", got, done.Plan.Plugins)
	}
	old := untilRun(h, r.ID, "has ended", isEnded)
	if old.Outcome != "succeeded" {
		t.Errorf("the run that was at work ended %s: %+v", old.Outcome, old.Error)
	}
	next := run(t, h, "job", admin.RunRequest{})
	if next.Outcome != "succeeded" || next.Digest == old.Digest || next.Digest != done.Plan.Plugins[0].New || sawOf(t, next).PID == sawOf(t, old).PID {
		t.Errorf("the next run: %s on %s, before on %s", next.Outcome, next.Digest, old.Digest)
	}
	untilTask(h, "live", "is up on the new binary", func(now admin.Task) bool {
		return isUp(now) && now.Processes[0].PID != live.Processes[0].PID && now.Processes[0].Digest == next.Digest
	})
}

func TestManyReloadsEndWithTheLastFile(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("a", "continuous {}"))
	up := untilTask(h, "a", "is up", isUp)
	done := make(chan error)
	for range 4 {
		go func() {
			var failed error
			for range 25 {
				_, err := h.Apply(context.Background(), admin.Apply{}, 0)
				if p := admin.AsProblem(err); err != nil && (p == nil || p.Code != "reload_running") {
					failed = err
				}
				h.Signal(syscall.SIGHUP)
			}
			done <- failed
		}()
	}
	for i := range 20 {
		rewrite(h, actor("a", fmt.Sprintf("continuous {}\ndescription = \"%d\"", i)))
	}
	for range 4 {
		if err := <-done; err != nil && admin.AsProblem(err).Code != "config_invalid" { // a file that is half written is one with errors
			t.Error(err)
		}
	}
	h.Signal(syscall.SIGHUP)
	untilTask(h, "a", "is as the last file says", func(t admin.Task) bool { return t.Description == "19" })
	if now := untilTask(h, "a", "is up", isUp); now.Running[0] != up.Running[0] {
		t.Error("the task was restarted")
	}
}

func TestSecretsOfReloadsAreShownNowhere(t *testing.T) {
	t.Parallel()
	const canary = "canary-of-a-reload-"
	task := func(n int) string {
		return fmt.Sprintf("variable \"token\" {\n  default = \"%s%d\"\n  sensitive = true\n}\n", canary, n) + actor("a", "on_demand {}\nenv = { TOKEN = var.token }", `say = var.token`)
	}
	h := stage(t, task(1))
	rewrite(h, task(2))
	p, err := h.Plan(t.Context(), 0)
	if err != nil || !p.Changed {
		t.Fatalf("a changed secret is no change: %+v, %v", p, err)
	}
	done := reload(t, h)
	h.WriteConfig(brisk + task(3) + "task {")
	_, broken := h.Apply(t.Context(), admin.Apply{}, 0)
	config, err := h.Config(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []any
	for n := 1; n <= 2; n++ {
		g, err := h.Generation(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	d, err := h.GenerationDiff(t.Context(), 1, 2)
	if err != nil || len(d.Tasks) != 1 {
		t.Errorf("the diff does not tell that a secret changed: %+v, %v", d, err)
	}
	r := run(t, h, "a", admin.RunRequest{})
	text, err := json.Marshal([]any{p, done, config, all, d, admin.AsProblem(broken), r, logOf(t, h, r.ID)})
	if err != nil {
		t.Fatal(err)
	}
	events, err := os.ReadFile(filepath.Join(h.DataDir, "taskhost.db"))
	if err != nil {
		t.Fatal(err)
	}
	for where, shown := range map[string]string{"an answer": string(text), "the log": h.Output(), "the store": string(events)} {
		if i := strings.Index(shown, canary); i >= 0 {
			t.Errorf("a secret is in %s: %s", where, shown[max(0, i-200):min(len(shown), i+50)])
		}
	}
}

func TestWhatConcernsTheHostItselfWaitsForANewStart(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("a", "on_demand {}"))
	text, err := os.ReadFile(filepath.Join(h.Dir, "config.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "host {", "host {\n  data_dir = \"elsewhere\"\n  shutdown_timeout = \"7s\"\n  log {\n    level = \"debug\"\n  }\n", 1)
	changed = strings.Replace(changed, "  data_dir = \"data\"\n", "", 1)
	if err := os.WriteFile(filepath.Join(h.Dir, "config.hcl"), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	done := reload(t, h)
	var paths []string
	for _, c := range done.Plan.Host {
		paths = append(paths, c.Path)
	}
	if want := []string{"audit.path", "data_dir", "log.level"}; !slices.Equal(paths, want) {
		t.Errorf("what waits is %v, want %v", paths, want)
	}
	if _, err := os.Stat(filepath.Join(h.Dir, "elsewhere")); !os.IsNotExist(err) {
		t.Errorf("the new data_dir was touched: %v", err)
	}
	if c, err := h.Config(t.Context()); err != nil || len(c.Pending) != 3 {
		t.Errorf("pending: %+v, %v", c.Pending, err)
	}
	if !strings.Contains(h.Output(), "host.log.level takes effect when the host is started again") {
		t.Error("the log does not say so")
	}
	began := time.Now()
	if code := h.Stop(); code != 0 || time.Since(began) > 7*time.Second {
		t.Errorf("it ended with %d after %s", code, time.Since(began))
	}
}
