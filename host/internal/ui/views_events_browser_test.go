package ui_test

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
)

func TestThePluginsShowTheirDigestLockAndSchema(t *testing.T) {
	p := startPlace(t, tasks+orderTask, "plugins/exec")
	b := newBrowser(t, 1280, 900)
	b.login(p.url, p.tokenOf(t, "vera", "viewer"))
	b.press("g", "l")
	b.sees("main", "not locked")
	b.sees("main", "1.0.0")
	b.accessible("plugins")
	b.press("j", kb.Enter)
	b.sees("h1", "hostile")
	b.sees("[aria-label='type order']", "<img src=x")
	b.sees("[aria-label='config of order']", "every run fails")
	b.until("the input is described, and markup stays text", `(() => {
		const rows = [...document.querySelectorAll("[aria-label='type order'] [aria-label='Input of a run'] tbody tr")].map((tr) => tr.innerText);
		return rows[0].includes("required") && rows[0].includes("<b>what</b>") && rows[1].includes("one of small, large") && rows[2].includes("1 to 9") && rows[4].includes("list of string");
	})()`)
	b.accessible("plugin")
	b.press(kb.Escape)
	b.sees("h1", "Plugins")
	b.until("nobody has a button", `!document.querySelector("main button, main b b, img[src=x]")`)
	b.clean()
}

func TestEventsComeAsTheyHappenAndALostConnectionLeavesNoHole(t *testing.T) {
	p := startPlace(t, tasks)
	ctx := context.Background()
	b := newBrowser(t, 1280, 900)
	b.login(p.url, p.token)
	b.press("g", "e")
	b.sees("h1", "Events")
	if _, err := p.Pause(ctx, "nightly", admin.Pause{Reason: "holidays"}); err != nil {
		t.Fatal(err)
	}
	b.sees(".events", "nightly")
	b.click("#search")
	b.press("greet")
	b.until("the address keeps the filter", `location.hash.includes("task=greet")`)
	b.until("no other task is left", `!document.querySelector(".events")`)
	p.cut() // what happens from here on is told when the page is back
	if _, err := p.StartRun(ctx, "greet", admin.RunRequest{}, "", 0); err != nil {
		t.Fatal(err)
	}
	run := p.UntilRun("greet", "succeeded")
	b.until("all of the run is there", `["queued", "started", "ended"].every((kind) => [...document.querySelectorAll(".events tr")].some((tr) => tr.innerText.includes(kind) && tr.innerText.includes("`+run.ID[20:]+`")))`)
	b.until("nothing is missing", `!document.querySelector(".gap-row")`)
	b.press(kb.Escape)
	b.click(".tools button")
	b.sees(".tools", "held")
	b.accessible("events")
	b.clean()
}

func TestTheAuditLogSaysWhoDidWhatAndIsForAdmins(t *testing.T) {
	p := startPlace(t, tasks)
	olga := p.tokenOf(t, "olga", "operator")
	b := newBrowser(t, 1280, 900)
	b.login(p.url, olga)
	b.sees("[data-task=clock]", "running")
	b.press("j", "p")
	b.sees("dialog[open]", "Pause clock")
	b.press("a quiet hour", kb.Enter)
	b.sees("[data-task=clock]", "paused")
	b.open(p.url + "#/audit")
	b.sees(".why.bad", "admin")
	b.clean()

	again := newBrowser(t, 1280, 900)
	again.login(p.url, p.token)
	again.press("g", "e")
	again.click(".sub-nav a:last-child")
	again.sees(".audit", "POST /v1/tasks/{task}/pause")
	again.until("the record is whole", `[...document.querySelectorAll(".audit tr")].some((tr) => ["olga", "clock", "a quiet hour", "200"].every((text) => tr.innerText.includes(text)))`)
	again.accessible("audit")
	again.open(p.url + "#/audit?actor=vera")
	again.until("only hers are left", `!document.querySelector(".audit")?.innerText.includes("olga")`)
	again.clean()
}
