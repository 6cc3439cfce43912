//go:build !race

package ui_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	b.until("the other task is back", `!location.hash.includes("task=") && document.querySelector(".events").innerText.includes("nightly")`)
	only := func(topic string, some bool) {
		t.Helper()
		b.eval(fmt.Sprintf(`(() => { const s = document.querySelector("[aria-label='only events about']"); s.value = %q; s.dispatchEvent(new Event("change", { bubbles: true })); })()`, topic))
		b.until("the events about "+topic+" are left", fmt.Sprintf(`(() => {
			const about = [...document.querySelectorAll(".events tbody tr")].map((tr) => tr.cells[1].innerText);
			return location.hash.includes("topic=%[1]s") && about.length > 0 === %[2]v && about.every((one) => one === "%[1]s");
		})()`, topic, some))
	}
	only("task", true)
	only("queue", false)
	only("run", true)
	b.do("read the page anew", reload())
	b.until("a link filters again", `document.querySelector("[aria-label='only events about']").value === "run"`)
	if _, err := p.StartRun(ctx, "greet", admin.RunRequest{}, "", 0); err != nil {
		t.Fatal(err)
	}
	b.sees(".events", "started")
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

// A host that goes on with what an old backup holds counts its events anew: the page cannot know which it has missed.
func TestEventsThatNobodyKnowsAnyMoreLeaveAMark(t *testing.T) {
	p := startPlace(t, tasks)
	ctx := context.Background()
	b := newBrowser(t, 1280, 900)
	b.login(p.url, p.token)
	b.press("g", "e")
	b.sees("h1", "Events")
	for range 30 {
		if _, err := p.Pause(ctx, "nightly", admin.Pause{Reason: "before"}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Resume(ctx, "nightly", admin.Resume{}); err != nil {
			t.Fatal(err)
		}
	}
	b.until("the events have come", `document.querySelectorAll(".events tbody tr").length >= 60`)
	p.Stop()
	stored, err := filepath.Glob(filepath.Join(p.DataDir, "taskhost.db*"))
	if err != nil || len(stored) == 0 {
		t.Fatalf("no store in %s: %v", p.DataDir, err)
	}
	for _, name := range stored {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	p.Launch()
	p.find(t)
	b.sees("main", "Your session has ended")
	b.click("input[name=token]")
	b.press(p.token, kb.Enter)
	b.sees(".gap-row", "the host no longer knew some events before this line")
	if _, err := p.Pause(ctx, "nightly", admin.Pause{Reason: "after the gap"}); err != nil {
		t.Fatal(err)
	}
	b.until("what comes then stands above the mark, what was before below it", `(() => {
		const rows = [...document.querySelectorAll(".events tbody tr")], at = rows.findIndex((tr) => tr.className === "gap-row");
		return at > 0 && rows.slice(0, at).some((tr) => tr.innerText.includes("nightly")) && rows.length - at > 60;
	})()`)
	b.clean()
}
