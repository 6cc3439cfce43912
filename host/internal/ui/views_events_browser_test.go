package ui_test

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
)

func TestAViewerReadsPluginsConfigurationAndFiguresAndHasNoButton(t *testing.T) {
	p := startPlace(t, tasks+orderTask)
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
	b.until("a viewer has no button", `!document.querySelector("main button, img[src=x]")`)

	p.edit(t, nightlyHour, laterHour)
	b.press("g", "c")
	b.sees("main", "Changed on the disk since it was read")
	b.sees(".generations", "read at the start")
	b.until("a viewer has no button", `!document.querySelector("main button")`)

	b.open(p.url + "#/tasks/clock")
	b.until("its process shows processor and memory", `(() => {
		const cells = [...document.querySelectorAll("section table td")].map((td) => td.innerText);
		return cells.some((text) => /^\d+(\.\d)? %$/.test(text)) && cells.some((text) => /^\d+(\.\d)? MiB$/.test(text));
	})()`)
	b.open(p.url + "#/")
	b.until("its row shows both", `/^CPU \d+(\.\d)? % · \d+(\.\d)? MiB$/.test(document.querySelector("[data-task=clock] .usage")?.innerText)`)
	b.clean()
}

func TestEventsComeAsTheyHappenWithoutAHoleAndTheAuditLogIsForAdmins(t *testing.T) {
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

	b.click(".sub-nav a:last-child")
	b.sees(".audit", "POST /v1/tasks/{task}/pause")
	b.until("the record is whole", `[...document.querySelectorAll(".audit tr")].some((tr) => ["root", "unix", "nightly", "holidays", "200"].every((text) => tr.innerText.includes(text)))`)
	b.accessible("audit")
	b.open(p.url + "#/audit?task=greet")
	b.until("only hers are left", `document.querySelector(".audit")?.innerText.includes("greet") && !document.querySelector(".audit").innerText.includes("nightly")`)
	b.eval(`[...document.querySelectorAll(".top button")].at(-1).click()`)
	b.sees("main", "Log in with a token")
	b.login(p.url+"#/audit", p.tokenOf(t, "olga", "operator"))
	b.sees(".why.bad", "admin")
	b.clean()
}
