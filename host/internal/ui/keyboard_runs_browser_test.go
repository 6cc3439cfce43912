//go:build !race

package ui_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
)

var runActs = []act{
	{"open a task and one of its runs", nil, func(k *keyboard) {
		k.row("greet", "idle")
		k.press(kb.Enter)
		k.sees("h1", "greet")
		k.enter(".runs .row-link")
		k.sees(".moments", "queued")
		k.enter(".moment")
		k.until("a moment is chosen", `document.activeElement.ariaPressed === "true"`)
		k.enter("h1 a")
		k.sees("h1", "greet")
	}},
	{"only some runs, and older ones", nil, func(k *keyboard) {
		k.tabTo("[aria-label='only runs with this outcome']")
		k.press(kb.ArrowDown)
		k.until("only these are left", `location.hash.includes("outcome=succeeded") && document.querySelectorAll(".runs tbody tr").length === 2`)
		k.press(kb.Home)
		k.until("all are back", `document.querySelectorAll(".runs tbody tr").length > 2`)
	}},
	{"cancel a run, run it again and kill it", []string{"v1/runs/*/cancel", "v1/runs/*/retry"}, func(k *keyboard) {
		run := k.work("greet")
		k.enter("a[href='#/runs/" + run.ID + "']")
		k.sees(".title-state", "running")
		k.enter(".title .split button")
		k.outcomes("greet", "cancelled", 3)
		k.sees(".title-state", "cancelled")
		k.enter(".title .c-actions button")
		k.until("another run is open", fmt.Sprintf("!location.hash.includes(%q) && document.querySelector('.title-state').innerText.includes('running')", run.ID))
		k.enter(".title .split .hard")
		k.sure("Kill this run of greet?")
		k.sees(".title-state", "cancelled")
		k.outcomes("greet", "cancelled", 4)
	}},
	{"follow a log, leave it, narrow it and keep it", nil, func(k *keyboard) {
		if _, err := k.p.StartRun(context.Background(), "greet", admin.RunRequest{Input: []byte(`{"lines":450}`)}, "", time.Minute); err != nil {
			k.t.Fatal(err)
		}
		k.enter("h1 a")
		k.until("the end of the log is there", `[...document.querySelectorAll(".log .line")].some((l) => l.innerText.includes("n=450"))`)
		k.tabTo(".log")
		k.press(kb.Home)
		k.until("its first lines are in sight", `document.querySelector(".log").scrollTop === 0`)
		k.sees(".log-card .card-head", "not following")
		k.enter(".to-end button")
		k.until("it follows", `document.querySelector(".log-card .live")`)
		k.tabTo("[aria-label='lowest level']")
		k.press("w")
		k.until("only warnings are left", `location.hash.includes("level=warn") && document.querySelector(".log .at-warn") && !document.querySelector(".log .at-info")`)
		k.press(kb.Home)
		k.until("every level is back", `!location.hash.includes("level=") && document.querySelector(".log .at-info")`)
		k.tabTo(".grep")
		k.press("n=44")
		k.until("few lines have the text", `location.hash.includes("text=n%3D44") && document.querySelectorAll(".log .line").length === 11`)
		k.press(kb.Escape)
		k.until("all are back", `!location.hash.includes("text=") && document.querySelectorAll(".log .line").length > 100`)
		k.enter("[aria-label='download the log of greet']")
		k.until("it is saved", "keyed.saved === 1")
	}},
	{"link to a line", nil, func(k *keyboard) {
		k.tabTo(".log")
		k.press(kb.Home)
		k.until("the first lines are in sight", `document.querySelector(".log").scrollTop === 0`)
		k.press(kb.Enter)
		k.until("a line has the focus", `document.activeElement.matches(".log a.at")`)
		k.press(kb.ArrowUp, kb.ArrowUp, kb.ArrowDown)
		k.until("another has it", `document.activeElement.parentElement === document.querySelectorAll(".log .line")[1]`)
		k.press(kb.Enter)
		k.until("it is chosen", `document.querySelector(".log .selected") && location.hash.includes("line=" + document.querySelector(".log .selected").dataset.position)`)
		for range 10 {
			if k.eval(`document.querySelectorAll(".to-end button").length`) != "2" {
				break
			}
			k.enter(".to-end button")
		}
		k.enter(".to-end button:last-child")
		k.until("the log follows again", `document.querySelector(".log-card .live") && !location.hash.includes("line=")`)
		k.press(kb.Escape)
		k.until("the overview is back", `document.querySelector(".tasks")`)
	}},
	{"ask a live task", []string{"v1/tasks/*/methods/*"}, func(k *keyboard) {
		k.row("sum", "running")
		k.press(kb.Enter)
		k.enter("[aria-label='call add of sum']")
		k.until("the field has the focus", `document.activeElement.name === "n"`)
		k.press("40", kb.Enter)
		k.sees("dialog .answer", `"sum": 40`)
		k.enter("dialog .choices [type=button]")
		k.enter("[aria-label='call status of sum']")
		k.sees("dialog[open]", "It takes no input")
		k.enter("dialog [type=submit]")
		k.sees("dialog .answer", `"requests"`)
		k.press(kb.Escape)
		if got, err := k.p.Call(context.Background(), "sum", "status", nil, time.Minute); err != nil || !json.Valid(got) {
			k.t.Errorf("%s, %v", got, err)
		}
		k.until("the dialog is gone", `!document.querySelector("dialog")`)
		k.enter("details.card summary")
		k.until("its configuration is open", `document.querySelector("details.card").open`)
	}},
}
