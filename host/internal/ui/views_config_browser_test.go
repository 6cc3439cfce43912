//go:build !race

package ui_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// edit changes the configuration on the disk.
func (p *place) edit(t *testing.T, from, to string) {
	t.Helper()
	path := filepath.Join(p.Dir, "config.hcl")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), from, to, 1)
	if text == string(data) {
		t.Fatalf("the configuration has no %q", from)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tokenOf makes a token on the command line, as an operator does.
func (p *place) tokenOf(t *testing.T, name, role string) string {
	t.Helper()
	out, err := exec.Command(admintest.Build(t, "host/cmd/taskhost"), "-addr", "unix:"+filepath.Join(p.DataDir, "admin.sock"), "token", "create", name, "-role", role).Output()
	if err != nil {
		t.Fatalf("make a token: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// generation is the one that holds.
func (p *place) generation(t *testing.T) int {
	t.Helper()
	c, err := p.Config(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return c.Generation
}

const nightlyHour, laterHour, wrongHour = `"15 2 * * *"`, `"20 3 * * *"`, `"15 33 * * *"`

func TestAPlanIsLookedAtAppliedComparedAndRolledBack(t *testing.T) {
	p := startPlace(t, tasks)
	b := newBrowser(t, 1280, 900)
	b.login(p.url, p.token)
	b.click("nav a[href='#/config']")
	b.sees("main", "What holds is what the files say")
	p.edit(t, nightlyHour, laterHour)
	b.click(".title button")
	b.sees(".plan", "periodic.cron")
	b.sees(".plan", "20 3 * * *")
	b.sees(".plan", "Next slots now")
	b.sees(".plan", "2 tasks: no change")
	if got := p.generation(t); got != 1 {
		t.Errorf("after a plan generation %d holds", got)
	}
	b.click(".plan button.main")
	b.sees("dialog[open]", "No task is interrupted")
	b.press("later nights")
	b.click("dialog [type=submit]")
	b.sees(".notices", "generation 2 holds")
	b.sees(".generations", "later nights")
	if got := p.generation(t); got != 2 {
		t.Fatalf("after the apply generation %d holds", got)
	}

	b.open(p.url + "#/config?from=1&to=2")
	b.sees("[aria-label='difference of generations 1 and 2']", "20 3 * * *")
	b.click("[aria-label='plan going back to generation 1']")
	b.sees(".plan", "Going back to generation 1")
	b.sees(".plan", "15 2 * * *")
	b.click(".plan button.main")
	b.sees("dialog[open]", "Roll back to generation 1?")
	b.click("dialog [type=submit]")
	b.sees(".notices", "generation 3 holds")
	b.sees("main", "by a rollback to generation 1 of admin")
	b.sees("main", "Changed on the disk since it was read") // the file still says otherwise
	b.accessible("configuration")
	b.clean()
}

func TestAFailedReloadShowsItsSourceLinesAndOfTwoWhoApplyTheSecondLooksAgain(t *testing.T) {
	p := startPlace(t, tasks)
	b := newBrowser(t, 1280, 900)
	b.login(p.url, p.token)
	p.edit(t, nightlyHour, wrongHour)
	if _, err := p.Apply(context.Background(), admin.Apply{}, 0); err == nil {
		t.Fatal("a wrong hour is applied")
	}
	b.press("g", "c")
	b.sees(".failed-reload", "hour 33 is out of range")
	b.sees(".failed-reload .source", `cron      = "15 33 * * *"`)
	b.sees(".failed-reload", "Nothing was changed: generation 1 goes on")
	b.until("the marks stand below what is meant", `(() => {
		const [line, marks] = document.querySelector(".source").textContent.split("\n");
		return line.slice(marks.indexOf("^"), marks.lastIndexOf("^") + 1) === "33";
	})()`)
	b.until("the plan has the focus", `[...document.querySelectorAll(".title button")].some((e) => { e.focus(); return e === document.activeElement; })`)
	b.press(kb.Enter)
	b.sees(".plan [role=alert]", "the configuration has errors")
	b.sees(".plan .source", "15 33")
	b.accessible("failed reload")

	p.edit(t, wrongHour, laterHour)
	b.click(".title button")
	b.sees(".plan", "periodic.cron")
	b.click(".plan button.main")
	b.sees("dialog[open]", "Apply this plan?")
	if _, err := p.Apply(context.Background(), admin.Apply{Reason: "I was first"}, 0); err != nil {
		t.Fatal(err)
	}
	b.press(kb.Enter)
	b.sees(".notices", "generation 2 holds, not 1")
	b.sees(".generations", "I was first")
	b.until("what failed is over", `!document.querySelector(".failed-reload")`)
	b.clean()
}

func TestAPlanShowsWhatItDoesToARunThatGoesOn(t *testing.T) {
	p := startPlace(t, tasks)
	run := p.UntilState("clock", "running").Running[0]
	b := newBrowser(t, 1280, 900)
	b.login(p.url, p.token)
	p.edit(t, "continuous {}", "continuous {}\n  config {\n    fail = true\n  }")
	b.press("g", "c")
	b.click(".title button")
	b.sees(".plan", "config.fail")
	b.until("the run is named, with what becomes of it", `(() => {
		const row = [...document.querySelectorAll(".plan tbody tr")].find((tr) => tr.cells[0].innerText === "clock");
		const link = row?.querySelector("a[href='#/runs/`+run+`']");
		return row?.cells[1].innerText === "restart" && /run \w{6} \(running\): \S/.test(link?.parentElement.innerText);
	})()`)
	b.accessible("a plan that touches a run")
	b.click(".plan button.main")
	b.sees("dialog[open]", "1 task will be drained and started anew")
	b.click("dialog [type=submit]")
	b.sees(".notices", "generation 2 holds")
	ended, err := p.Client.Run(context.Background(), run, time.Minute)
	if err != nil || ended.State != "ended" {
		t.Errorf("the run that was to be drained is %+v, %v", ended, err)
	}
	b.clean()
}
