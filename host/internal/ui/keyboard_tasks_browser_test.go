//go:build !race

package ui_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
)

// says waits until the host says so.
func (k *keyboard) says(what string, cond func(context.Context) (bool, error)) {
	k.t.Helper()
	k.p.Until(what, func(ctx context.Context) error {
		if ok, err := cond(ctx); err != nil || !ok {
			return errors.Join(errors.New("not yet"), err)
		}
		return nil
	})
}

// task waits until the host says of a task what is true of it.
func (k *keyboard) task(name, what string, is func(admin.Task) bool) {
	k.t.Helper()
	k.says(name+" "+what, func(ctx context.Context) (bool, error) {
		t, err := k.p.Client.Task(ctx, name)
		return err == nil && is(t), err
	})
}

// outcomes waits until so many runs of a task have ended in this way.
func (k *keyboard) outcomes(name, outcome string, n int) {
	k.t.Helper()
	k.says(fmt.Sprintf("%d runs of %s are %s", n, name, outcome), func(ctx context.Context) (bool, error) {
		runs, err := k.p.Runs(ctx, admin.RunQuery{Tasks: []string{name}, Outcomes: []string{outcome}})
		return err == nil && len(runs.Items) == n, err
	})
}

// work starts a run that goes on until somebody ends it.
func (k *keyboard) work(task string) admin.Run {
	k.t.Helper()
	run, err := k.p.StartRun(context.Background(), task, admin.RunRequest{Input: []byte(`{"for":"1h"}`), Overlap: "allow"}, "", 0)
	if err != nil {
		k.t.Fatal(err)
	}
	return run
}

// row goes to the row of a task that is in this state.
func (k *keyboard) row(task, state string) {
	k.t.Helper()
	k.sees("[data-task="+task+"] .c-state", state)
	k.tabTo("[data-task=" + task + "] .row-link")
}

var taskActs = []act{
	{"run now", []string{"v1/tasks/*/runs", "Run now"}, func(k *keyboard) {
		k.row("greet", "idle")
		k.press("r")
		k.outcomes("greet", "succeeded", 1)
		k.enter("[aria-label='Run now: greet']")
		k.outcomes("greet", "succeeded", 2)
		k.enter(".notice button")
		k.press("j")
		k.until("the next row has the focus", `document.activeElement.innerText === document.querySelector(".row-link").innerText`)
	}},
	{"run with input", []string{"Run with input…"}, func(k *keyboard) {
		k.item("order", "Run with input…")
		k.until("the first field has the focus", `document.activeElement.name === "item"`)
		k.press("tea", kb.Tab, "l", kb.Tab, "3", kb.Tab, "t", kb.Tab, `["green"]`)
		k.enter("dialog .turn")
		k.tabTo("dialog [name=json]")
		k.press(kb.End, " ")
		k.enter("dialog .turn")
		k.tabTo("dialog [name='reason of the run']")
		k.press("thirst", kb.Enter)
		run := k.p.UntilRun("order", "succeeded")
		if got := strings.Join(strings.Fields(string(run.Input)), ""); got != `{"item":"tea","size":"large","count":3,"gift":true,"tags":["green"]}` || run.Reason != "thirst" {
			k.t.Errorf("the run was given %s because of %q", got, run.Reason)
		}
	}},
	{"go through a menu", nil, func(k *keyboard) {
		k.enter("[aria-label='more actions: clock']")
		k.until("the menu has the focus", `document.activeElement.role === "menuitem"`)
		for _, step := range []struct{ key, at string }{{kb.End, "Restart"}, {kb.ArrowDown, "Stop (graceful)"}, {kb.ArrowUp, "Restart"}, {kb.Home, "Stop (graceful)"}} {
			k.press(step.key)
			k.until(step.at+" has the focus", fmt.Sprintf("document.activeElement.innerText === %q", step.at))
		}
		k.press(kb.Escape)
		k.until("its button has the focus again", `document.activeElement.ariaLabel === "more actions: clock" && !document.querySelector("[role=menu]")`)
	}},
	{"stop and start", []string{"stop graceful", "Stop (graceful)", "Stop", "start", "Start", "v1/tasks/*/*?wait=*", "v1/tasks/*/"}, func(k *keyboard) {
		k.row("clock", "running")
		k.press("s")
		k.sure("Stop clock?")
		if got := k.p.UntilState("clock", "stopped"); got.Stopped == nil || got.Stopped.By != "admin" {
			k.t.Errorf("the host says %+v of who stopped it", got.Stopped)
		}
		k.until("the row has the focus again", `document.activeElement.innerText === "clock"`)
		k.enter("[aria-label='Start: clock']")
		k.p.UntilState("clock", "running")
		k.enter("[aria-label='Stop: clock']")
		k.sees("dialog[open]", "Stop clock?")
		k.enter("dialog [type=button]")
		k.until("it is left", `!document.querySelector("dialog")`)
		k.item("clock", "Stop (graceful)")
		k.sure("Stop clock?")
		k.p.UntilState("clock", "stopped")
		k.sees("[data-task=clock] .c-state", "stopped")
		k.item("clock", "Start")
		k.p.UntilState("clock", "running")
	}},
	{"pause and resume", []string{"pause", "Pause…", "resume", "Resume"}, func(k *keyboard) {
		paused := func(t admin.Task) bool { return t.Paused != nil }
		goesOn := func(t admin.Task) bool { return t.Paused == nil }
		k.row("nightly", "idle")
		k.press("p")
		k.until("the reason has the focus", `document.activeElement.name === "reason"`)
		k.press("holidays", kb.Tab, kb.ArrowDown, kb.Tab, kb.Tab, kb.Enter)
		k.task("nightly", "is paused for a quarter of an hour", func(t admin.Task) bool {
			return paused(t) && t.Paused.Reason == "holidays" && !t.Paused.Until.IsZero() && time.Until(t.Paused.Until.Time) < 16*time.Minute
		})
		k.row("nightly", "paused")
		k.press("p")
		k.task("nightly", "goes on", goesOn)
		for _, resume := range []func(){func() { k.enter("[aria-label='Resume: nightly']") }, func() { k.item("nightly", "Resume") }} {
			k.until("the row knows it", `!document.querySelector("[data-task=nightly] .c-state").innerText.includes("paused")`)
			k.item("nightly", "Pause…")
			k.until("the reason has the focus", `document.activeElement.name === "reason"`)
			k.press(kb.Enter)
			k.task("nightly", "is paused", paused)
			k.sees("[data-task=nightly] .c-state", "paused")
			resume()
			k.task("nightly", "goes on", goesOn)
		}
	}},
	{"restart", []string{"restart", "Restart"}, func(k *keyboard) {
		before := k.p.UntilState("clock", "running").Processes
		k.sees("[data-task=clock] .c-state", "running")
		k.item("clock", "Restart")
		k.sure("Restart clock?")
		k.task("clock", "has another process", func(t admin.Task) bool {
			return t.State == "running" && len(t.Processes) == 1 && t.Processes[0].PID != before[0].PID
		})
	}},
	{"cancel", []string{"cancel", "Cancel this run", "Cancel these runs"}, func(k *keyboard) {
		k.work("greet")
		k.row("greet", "running")
		k.press("c")
		k.sure("Cancel what greet runs?")
		k.outcomes("greet", "cancelled", 1)
		k.sees("[data-task=greet] .c-state", "idle")
		k.work("greet")
		k.sees("[data-task=greet] .c-state", "running")
		k.item("greet", "Cancel this run")
		k.sure("Cancel what greet runs?")
		k.outcomes("greet", "cancelled", 2)
		k.work("pair")
		k.work("pair")
		k.task("pair", "has two runs", func(t admin.Task) bool { return len(t.Running) == 2 })
		k.item("pair", "Cancel these runs")
		k.sure("Cancel what pair runs?")
		k.outcomes("pair", "cancelled", 2)
	}},
	{"kill", []string{"stop kill", "Kill now"}, func(k *keyboard) {
		k.row("clock", "running")
		k.item("clock", "Kill now")
		k.sure("Kill clock now?")
		k.p.UntilState("clock", "stopped")
	}},
	{"take a stop further", []string{"stop hard", "cancel hard", "Cancel now"}, func(k *keyboard) {
		k.enter("[aria-label='Stop: deaf']")
		k.sure("Stop deaf?")
		k.enter("[aria-label='Cancel now: deaf']")
		k.sure("Cancel deaf now?")
		k.enter("[aria-label='Kill now: deaf']")
		k.sure("Kill deaf now?")
		k.p.UntilState("deaf", "stopped")
		k.outcomes("deaf", "interrupted", 1)
	}},
}
