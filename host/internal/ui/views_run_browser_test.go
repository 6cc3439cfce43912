//go:build !race

package ui_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
)

// deafTask hears nothing, and has all the time in the world for it.
const deafTask = `
task "deaf" {
  plugin = "hostile"
  type   = "deaf"
  continuous {}
  stop {
    drain  = "1h"
    cancel = "1h"
  }
}
`

// hapless are a task that has to be killed when it is stopped, and one that fails twice.
const hapless = `
task "doomed" {
  plugin = "hostile"
  type   = "deaf"
  continuous {}
  stop {
    drain  = "100ms"
    cancel = "100ms"
  }
}
task "twice" {
  plugin = "hostile"
  type   = "work"
  on_demand {}
  retry {
    attempts = 2
    backoff  = "1ms"
  }
  config {
    fail = true
  }
}
`

func TestAStopShowsItsLadderAndIsTakenFurther(t *testing.T) {
	p := startPlace(t, deafTask)
	p.UntilState("deaf", "running")
	b := newBrowser(t, 1280, 800)
	b.login(p.url, p.token)
	b.click("[aria-label='Stop: deaf']")
	b.sees("dialog[open]", "Stop deaf?")
	b.click("dialog [type=submit]")
	step := func(stage string) string {
		return fmt.Sprintf(`/^%s for (1 h|59 m( \d+ s)?)$/.test(document.querySelector("[data-task=deaf] .ladder b")?.innerText)`, stage)
	}
	b.until("the row says how long it may drain", step("drain"))
	left := b.text("[data-task=deaf] .ladder b")
	b.until("and counts down", fmt.Sprintf(`document.querySelector("[data-task=deaf] .ladder b").innerText !== %q`, left))
	b.click("[aria-label='Cancel now: deaf']")
	b.sees("dialog[open]", "Cancel deaf now?")
	b.click("dialog [type=submit]")
	b.until("it is cancelled, and may take its time for that", step("cancel"))
	b.accessible("a stop that goes on")

	b.open(p.url + "#/tasks/deaf")
	b.sees(".why .ladder", "cancel")
	b.eval(`document.querySelector("[aria-label='Kill now: deaf']").focus()`)
	b.press(kb.Enter)
	b.until("the button has the focus", `document.activeElement.closest("dialog[open]")`)
	b.press(kb.Enter)
	p.UntilState("deaf", "stopped")
	b.sees(".title-state", "stopped")
	runs, err := p.Runs(context.Background(), admin.RunQuery{Tasks: []string{"deaf"}})
	if err != nil || len(runs.Items) != 1 || runs.Items[0].EndedIn != "kill" {
		t.Errorf("the host says %+v, %v", runs.Items, err)
	}
	b.clean()
}

func TestARunShowsEveryStageAndTheLinesOfEach(t *testing.T) {
	p := startPlace(t, hapless)
	p.UntilState("doomed", "running")
	if _, _, err := p.Client.Stop(context.Background(), "doomed", admin.Verb{Mode: "graceful"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	killed := p.UntilRun("doomed", "interrupted")
	twice, err := p.StartRun(context.Background(), "twice", admin.RunRequest{}, "", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, 1280, 800)
	b.login(p.url, p.token)
	b.eval("location.hash = '#/runs/" + killed.ID + "'")
	b.until("every stage has its moment, in order", `[...document.querySelectorAll(".moment b")].map((e) => e.innerText).join(" ") === "queued attempt 1 running ready drain cancel kill exit ended"`)
	b.sees(".moments", "asked by "+killed.Stop.Actor)
	b.sees(".moments", "ended by signal: killed")
	b.sees(".log", "ended by signal: killed")
	b.eval(`document.querySelector(".log .line:last-child").dispatchEvent(new PointerEvent("pointerover", { bubbles: true }))`)
	b.until("a line shows its moment", `document.querySelectorAll(".moment.holds").length === 1 && document.querySelector(".timeline .pointed")`)
	b.eval(`document.querySelector(".moment.holds").focus()`)
	b.press(kb.Enter)
	b.until("a moment marks its lines", `document.activeElement.ariaPressed === "true" && document.querySelector(".log .line:last-child.marked") && document.querySelector(".timeline .cursor:not(.pointed)")`)
	b.press(kb.Enter)
	b.until("and no longer", `!document.querySelector(".log .marked")`)
	b.accessible("killed run")

	b.eval("location.hash = '#/runs/" + twice.ID + "'")
	b.until("attempts lie below each other", `document.querySelectorAll(".timeline rect").length === 3 && new Set([...document.querySelectorAll(".timeline rect")].map((r) => r.getAttribute("y"))).size === 3`)
	b.sees(".moments", "attempt 2")
	b.clean()
}

func TestALogIsLinkedFilteredAndDownloaded(t *testing.T) {
	p := startPlace(t, tasks)
	if _, err := p.StartRun(context.Background(), "greet", admin.RunRequest{Input: []byte(`{"lines":450}`)}, "", time.Minute); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, 1280, 800)
	b.login(p.url, p.token)
	b.eval("location.hash = '#/tasks/greet'")
	b.until("the end of the log is there", `[...document.querySelectorAll(".log .line")].some((l) => l.innerText.includes("n=450"))`)
	b.eval(`document.querySelector(".log .line:nth-last-child(20) a.at").click()`)
	b.until("a line is chosen, and the address names it", `document.querySelector(".log .selected") && location.hash.includes("line=" + document.querySelector(".log .selected").dataset.position)`)
	b.until("the log stands still", `!document.querySelector(".log-card .live")`)

	last := `Number([...document.querySelectorAll(".log .line")].find((l) => l.innerText.includes("n=450")).dataset.position)`
	b.eval(`location.hash = "#/tasks/greet?line=" + (` + last + ` - 420)`)
	shown := `(() => {
		const el = document.querySelector(".log .selected"), box = document.querySelector(".log")?.getBoundingClientRect();
		return el?.innerText.includes("n=30") && box && el.getBoundingClientRect().top >= box.top && el.getBoundingClientRect().bottom <= box.bottom;
	})()`
	b.until("an old line is read and shown", shown)
	b.do("read the page anew", reload())
	b.until("a link shows it again", shown)
	b.click(".to-end button:last-child")
	b.until("the log follows again", `document.querySelector(".log-card .live") && !location.hash.includes("line=")`)

	b.eval(`(() => { const s = document.querySelector(".log-card select"); s.value = "warn"; s.dispatchEvent(new Event("change", { bubbles: true })); })()`)
	warnings := `document.querySelectorAll(".log .at-warn").length >= 45 && !document.querySelector(".log .at-info")`
	b.until("only warnings are left", warnings+` && location.hash.includes("level=warn")`)
	b.click(".grep")
	b.press("n=44")
	few := `document.querySelectorAll(".log .line").length === 1 && document.querySelector(".log").innerText.includes("n=440")`
	b.until("of which few have the text", few+` && location.hash.includes("text=n%3D44")`)
	b.do("read the page anew", reload())
	b.until("a link filters again", few+` && document.querySelector(".grep").value === "n=44"`)

	b.eval(`document.querySelector(".log a.at").click()`)
	b.until("and one of its lines is chosen", `document.querySelector(".log .selected")`)
	b.accessible("chosen line")

	b.eval(`(() => { URL.createObjectURL = (blob) => { blob.text().then((t) => { window.saved = t; }); return "#"; }; HTMLAnchorElement.prototype.click = function () { window.named = this.download; }; })()`)
	b.eval(`document.querySelector("[aria-label='download the log of greet']").click()`)
	b.until("what is filtered is downloaded", `window.saved?.trim().split("\n").length === 1 && window.saved.includes("a warning") && window.named === "greet.log"`)

	b.eval(`location.hash = "#/tasks/greet"`)
	b.until("everything is back", `document.querySelectorAll(".log .line").length > 100 && document.querySelector(".grep").value === ""`)
	b.eval(`document.querySelector("[aria-label='download the log of greet']").click()`)
	b.until("all of a log is downloaded", `window.saved?.trim().split("\n").length > 450 && / info  a word n=1\n/.test(window.saved)`)

	b.eval(`location.hash = "#/tasks/greet?line=7"`)
	b.sees(".log-card", "Line 7 is not there")
	b.clean()
}

func TestTwoPeopleAtOnceBothSeeWhatTheHostDecided(t *testing.T) {
	p := startPlace(t, deafTask)
	p.UntilState("deaf", "running")
	one, other := newBrowser(t, 1000, 700), newBrowser(t, 1000, 700)
	one.login(p.url, p.token)
	other.login(p.url, p.token)
	one.click("[aria-label='Stop: deaf']")
	one.sees("dialog[open]", "Stop deaf?")
	other.click("[aria-label='more actions: deaf']")
	other.sees("[role=menu]", "Restart")
	other.eval(`[...document.querySelectorAll("[role=menuitem]")].find((b) => b.innerText === "Restart").click()`)
	other.sees("dialog[open]", "Restart deaf?")

	one.click("dialog [type=submit]")
	one.sees("[data-task=deaf] .c-state", "stopping")
	other.sees("[data-task=deaf] .c-state", "stopping")
	other.click("dialog [type=submit]")
	other.sees(".notice.bad", `restart failed: task "deaf" is stopped; start it instead`)
	for _, b := range []*browser{one, other} {
		b.sees("[data-task=deaf] .ladder", "drain")
	}
	if _, _, err := p.Client.Stop(context.Background(), "deaf", admin.Verb{Mode: "kill"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, b := range []*browser{one, other} {
		b.sees("[data-task=deaf] .c-state", "stopped")
		b.clean()
	}
}
