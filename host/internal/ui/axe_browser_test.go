//go:build !race

package ui_test

import (
	"context"
	_ "embed"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/taskhost/taskhost/host/admin"
)

// axe is axe-core 4.14.1 (MPL 2.0, see its LICENSE): rules of WCAG that a program can check.
//
//go:embed testdata/axe/axe.min.js
var axe string

// accessible runs axe on what the page shows, in light and in dark.
func (b *browser) accessible(view string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		b.look(1280, 800, scheme)
		b.eval("(() => {" + axe + "})() ?? 'loaded'")
		const check = `axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) =>
			r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.target + ": " + n.failureSummary.replaceAll("\n", " "))).slice(0, 12).join("\n"))`
		found, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](check, chromedp.EvalAwaitPromise))
		if err != nil {
			b.t.Fatalf("%s: %v", view, err)
		}
		if found != "" {
			b.t.Errorf("%s, %s:\n%s", view, scheme, found)
		}
	}
}

func TestEveryViewPassesTheRulesOfAccessibility(t *testing.T) {
	p := startPlace(t, tasks+brokenTask)
	if _, err := p.Post(context.Background(), "letters", []byte(`{"text":"hello"}`), admin.PostOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.StartRun(context.Background(), "broken", admin.RunRequest{}, "", 0); err != nil {
		t.Fatal(err)
	}
	failed := p.UntilRun("broken", "failed")
	b := newBrowser(t, 1280, 800)
	b.open(p.url)
	b.sees("h1", "taskhost")
	b.accessible("login")
	b.login(p.url, p.token)
	b.until("the rows are there", `document.querySelectorAll(".task-row svg.strip").length >= 2`)
	b.accessible("overview")
	b.click("[data-task=clock] .more")
	b.sees("[role=menu]", "Kill now")
	b.accessible("menu")
	b.open(p.url + "#/tasks/clock")
	b.sees(".log", "field=")
	b.until("the state is there", `document.querySelector("section[aria-label] ~ section table")`)
	b.press("p")
	b.sees("dialog[open]", "Pause clock")
	b.accessible("dialog")
	b.eval("document.querySelector('dialog').close()")
	b.until("the dialog is gone", "!document.querySelector('dialog')")
	b.accessible("task")
	b.open(p.url + "#/runs/" + failed.ID)
	b.sees(".moments", "queued")
	b.accessible("run")
	b.open(p.url + "#/queues")
	b.sees("table", "letters")
	b.accessible("queues")
	b.open(p.url + "#/queues/letters")
	b.sees(".messages", "hello")
	b.accessible("queue")
}
