//go:build !race

package ui_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
)

// restless pauses a task and resumes it by turns until the test is over, a few times a second: a page that looks at any moment finds the
// task changed sooner or later, in its row or, where that is filtered out, in the counts of the states.
func restless(t *testing.T, p *place, name string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var busy sync.WaitGroup
	busy.Go(func() {
		pace := time.NewTicker(100 * time.Millisecond)
		defer pace.Stop()
		for paused := false; ctx.Err() == nil; paused = !paused {
			<-pace.C
			var err error
			if paused {
				_, err = p.Resume(ctx, name, admin.Resume{})
			} else {
				_, err = p.Pause(ctx, name, admin.Pause{Reason: "again"})
			}
			if err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		busy.Wait()
	})
}

// writes presses some keys after others, each time once the page has been drawn since the last.
func (b *browser) writes(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		b.press(key)
		b.eval("window.drawn = 0")
		b.until("the page is drawn", "drawn > 0")
	}
}

func TestWhatSomebodyWritesIsNotLostToEvents(t *testing.T) {
	p := startPlace(t, tasks+orderTask)
	b := newBrowser(t, 1280, 900)
	b.login(p.url, p.token)
	b.sees("[data-task=clock]", "running")
	restless(t, p, "nightly")
	b.eval(`new MutationObserver(() => { window.drawn++; }).observe(document.getElementById("app"), { subtree: true, childList: true, characterData: true })`)
	holds := func(field, value string) {
		t.Helper()
		if got := b.eval(fmt.Sprintf("document.querySelector(%q).value", field)); got != value {
			t.Errorf("%s holds %q, and not %q", field, got, value)
		}
	}

	b.press("/")
	b.writes("et", kb.Home+"g", "r", "e") // in the middle: the place of the next letter is not lost either
	holds("#search", "greet")
	b.press(kb.Escape, kb.Escape)
	b.until("all rows are back", `document.querySelectorAll(".task-row").length === 4`)

	b.click("[aria-label='more actions: order']")
	b.sees("[role=menu]", "Run with input")
	b.eval(`[...document.querySelectorAll("[role=menuitem]")].find((e) => e.innerText === "Run with input…").click()`)
	b.until("the first field has the focus", `document.activeElement.name === "item"`)
	b.writes("ea", kb.Home+"t", kb.Tab+"l", kb.Tab+"3", kb.Tab+kb.Tab+"[", "]")
	for field, value := range map[string]string{"item": "tea", "size": `"large"`, "count": "3", "gift": "", "tags": "[]"} {
		holds("dialog [name="+field+"]", value)
	}
	b.press(kb.Escape)
	b.until("the dialog is gone", `!document.querySelector("dialog")`)

	b.open(p.url + "#/tasks/nightly")
	b.sees(".log-card", "Log")
	b.click(".grep")
	b.writes("bc", kb.Home+"a")
	holds(".grep", "abc")
	b.until("the address has it", `location.hash.includes("text=abc")`)
	b.writes("d")
	holds(".grep", "adbc")
	b.clean()
}
