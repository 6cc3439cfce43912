//go:build !race

package ui_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
)

// shifts are tasks with a past and a future: one is due each second and too slow for it, one is held.
const shifts = `
task "slow" {
  plugin = "hostile"
  type   = "slow"
  periodic {
    every        = "1s"
    run_on_start = true
  }
}
task "hourly" {
  plugin = "hostile"
  type   = "work"
  periodic {
    every = "1h"
  }
}
task "double" {
  plugin = "hostile"
  type   = "work"
  periodic {
    every   = "24h"
    overlap = "allow"
  }
}
`

func TestTheTimelineShowsWhatRanWhatDidNotAndWhatComes(t *testing.T) {
	p := startPlace(t, tasks+shifts)
	ctx := context.Background()
	for range 2 {
		if _, err := p.StartRun(ctx, "double", admin.RunRequest{Input: []byte(`{"for":"1h"}`), Overlap: "allow"}, "", 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.Pause(ctx, "hourly", admin.Pause{Reason: "holidays"}); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, 1280, 900)
	b.login(p.url, p.token)
	b.sees("[data-task=clock]", "running")
	b.press("g", "t")
	b.sees("h1", "Timeline")
	lane := func(name, has string) string {
		return fmt.Sprintf(`document.querySelector('[data-lane=%s] %s')`, name, has)
	}
	b.until("a run that goes on is drawn", lane("clock", "path.tone-busy"))
	b.until("runs beside each other lie below each other", `document.querySelector('[data-lane=double] path.tone-busy')?.getAttribute("d").match(/M/g).length === 2 && document.querySelector('[data-lane=double] svg').clientHeight >= 22`)
	b.until("slots to come are drawn, held ones otherwise", lane("slow", "path.to-come.dense")+" && "+lane("hourly", "path.to-come.held"))
	b.until("slots that were skipped are drawn", lane("slow", "path.tone-gap"))
	b.until("the row says in words what it shows", `/\d+ skipped\(overlap\)/.test(document.querySelector('[data-lane=slow] .hidden')?.textContent)`)
	b.until("a task with nothing in it is left out", `!document.querySelector('[data-lane=greet]') && /\d tasks? with nothing in this span/.test(document.querySelector('main').innerText)`)
	b.until("the lists say the same", `(() => {
		const rows = (title) => [...[...document.querySelectorAll("section")].find((s) => s.querySelector("h2")?.innerText === title).querySelectorAll("tbody tr")].map((tr) => tr.innerText.replaceAll("\t", " "));
		return rows("What comes").some((r) => /hourly .*paused/.test(r)) && rows("What comes").filter((r) => r.includes("slow")).length === 1 &&
			rows("What ran").filter((r) => /double running \d+/.test(r)).length === 2 && rows("What did not run").some((r) => /slow skipped\(overlap\) by/.test(r));
	})()`)
	b.accessible("timeline")

	b.press("+")
	b.until("it shows less of the time, and the address says so", `location.hash.includes("zoom=6h") && document.querySelector("[aria-pressed=true]").innerText === "6 h"`)
	b.press("-", "-")
	b.until("it shows a week, with every night", `document.querySelector('[data-lane=nightly] .to-come')?.getAttribute("d").match(/M/g).length >= 4`)
	b.press(kb.ArrowRight, kb.ArrowRight)
	b.until("it has moved on", `/at=\d{4}-/.test(location.hash)`)
	b.press("n")
	b.until("it is back at now", `!location.hash.includes("at=") && document.querySelector(".axis text.now")`)
	b.click("#search")
	b.press("doub")
	b.until("only what was searched is left", `document.querySelectorAll(".lane-list .lane").length === 1`)
	b.press(kb.Escape, kb.Escape)
	b.until("all are back", `document.querySelectorAll(".lane-list .lane").length > 1`)
	b.look(360, 800, "dark")
	b.until("nothing is wider than the window", `document.documentElement.scrollWidth <= innerWidth`)
	b.clean()
}

func TestTheTimelineMarksWhenClocksAreChanged(t *testing.T) {
	p := startPlace(t, tasks)
	b := newBrowser(t, 1280, 800)
	if _, err := chromedp.Call(b.ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Europe/Berlin"}); err != nil {
		t.Fatal(err)
	}
	b.login(p.url, p.token)
	b.eval("location.hash = '#/timeline?at=2027-03-28T00:00:00Z'")
	b.until("the change is marked", `document.querySelector(".axis text.turn")?.textContent.endsWith("clocks +1 h") && document.querySelector(".guides .turn")`)
	if wrong := spans(b); wrong != "" {
		t.Error(wrong)
	}
	b.clean()
}

// spans checks the arithmetic of time lines; it answers with what is wrong, or with nothing.
func spans(b *browser) string {
	b.eval(`import("./parts/span.js").then((m) => { window.span = m; }), "asked"`)
	b.until("the module is there", "window.span")
	return b.eval(`(() => {
		const wrong = [];
		const same = (what, got, want) => { if (JSON.stringify(got) !== JSON.stringify(want)) wrong.push(what + ": " + JSON.stringify(got)); };
		const at = (text) => Date.parse(text);
		const zone = "Europe/Berlin";
		same("summer", span.offset(zone, at("2027-07-01T00:00:00Z")), 120);
		same("winter", span.offset(zone, at("2027-01-01T00:00:30Z")), 60);
		same("an unknown zone", span.offset("Nowhere/Land", at("2027-07-01T00:00:00Z")), 0);
		same("forward", span.changes(zone, at("2027-03-27T00:00:00Z"), at("2027-03-30T00:00:00Z")), [{ at: at("2027-03-28T01:00:00Z"), by: 60 }]);
		same("back", span.changes(zone, at("2027-10-31T00:30:00Z"), at("2027-10-31T02:00:00Z")), [{ at: at("2027-10-31T01:00:00Z"), by: -60 }]);
		same("half an hour", span.changes("Australia/Lord_Howe", at("2027-04-03T00:00:00Z"), at("2027-04-05T00:00:00Z")), [{ at: at("2027-04-03T15:00:00Z"), by: -30 }]);
		same("no change", span.changes("UTC", at("2027-01-01T00:00:00Z"), at("2027-12-31T00:00:00Z")), []);
		same("days over a change", span.marks(zone, at("2027-03-27T12:00:00Z"), at("2027-03-29T12:00:00Z"), 24 * 3600e3).map((t) => new Date(t).toISOString()), ["2027-03-27T23:00:00.000Z", "2027-03-28T22:00:00.000Z"]);
		same("marks of a zone off the hour", span.marks("Asia/Kolkata", at("2027-01-01T00:00:00Z"), at("2027-01-01T03:00:00Z"), 3 * 3600e3).map((t) => new Date(t).toISOString()), ["2027-01-01T00:30:00.000Z"]);
		same("lanes", span.lanes([{ from: 5, to: 9 }, { from: 0, to: 5 }, { from: 3, to: 6 }]).map((s) => [s.from, s.lane]), [[0, 0], [3, 1], [5, 0]]);
		same("at once", span.atOnce([{ from: 0, to: 10 }, { from: 5, to: 15 }, { from: 20, to: 20 }, { from: 15, to: 18 }]), [{ from: 0, to: 5, n: 1 }, { from: 5, to: 10, n: 2 }, { from: 10, to: 18, n: 1 }]);
		same("nothing at once", span.atOnce([]), []);
		return wrong.join("\n");
	})()`)
}
