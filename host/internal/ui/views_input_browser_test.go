//go:build !race

package ui_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
)

const orderTask = `
task "order" {
  plugin = "hostile"
  type   = "order"
  on_demand {}
}
`

func TestARunIsAskedForWithAFormOfItsInput(t *testing.T) {
	p := startPlace(t, tasks+orderTask)
	b := newBrowser(t, 1280, 900)
	b.login(p.url, p.token)
	b.click("[data-task=order] .more")
	b.sees("[role=menu]", "Run with input")
	b.eval(`[...document.querySelectorAll("[role=menuitem]")].find((e) => e.innerText === "Run with input…").click()`)
	b.sees("dialog[open]", "<b>what</b> it is")
	b.until("the first field has the focus", `document.activeElement.name === "item"`)
	b.press("tea", kb.Tab, "l", kb.Tab, "3", kb.Tab, kb.Tab, `["green", 4]`)
	b.accessible("form")
	b.press(kb.Enter) // a new line: the field holds JSON
	b.click("dialog [type=submit]")
	b.sees("dialog[open]", "tags")
	b.until("the field says what is wrong with it", `document.querySelector("dialog [name=tags]").getAttribute("aria-invalid") === "true"`)

	b.click("dialog .turn")
	b.until("the text says the same", `JSON.stringify(JSON.parse(document.querySelector("dialog [name=json]")?.value ?? "{}")) === '{"item":"tea","size":"large","count":3,"tags":["green",4]}'`)
	b.eval(`document.querySelector("dialog [name=json]").value = '{"item": "tea", "size": "small", "count": 4, "tags": ["green"]}'`)
	b.click("dialog .turn")
	b.until("the fields say the same", `document.querySelector("dialog [name=count]")?.value === "4" && document.querySelector("dialog [name=size]").selectedOptions[0].text === "small"`)
	b.click("dialog [type=submit]")
	run := p.UntilRun("order", "succeeded")
	var got struct {
		Item, Size string
		Count      int
		Tags       []string
	}
	if err := json.Unmarshal(run.Input, &got); err != nil || got.Item != "tea" || got.Size != "small" || got.Count != 4 || len(got.Tags) != 1 {
		t.Errorf("the run was given %s, %v", run.Input, err)
	}
	b.until("the dialog is gone", "!document.querySelector('dialog')")
	b.clean()
}

const sumTask = `
task "sum" {
  plugin = "daemon"
  continuous {}
}
queue "letters" {}
`

func TestAMethodIsCalledAndAQueueIsPurgedByWhoWritesItsName(t *testing.T) {
	p := startPlace(t, tasks+sumTask, "examples/03-daemon")
	ctx := context.Background()
	if _, err := p.Post(ctx, "letters", []byte(`"hello"`), admin.PostOptions{}); err != nil {
		t.Fatal(err)
	}
	b := newBrowser(t, 1280, 900)
	b.login(p.url, p.token)
	b.open(p.url + "#/tasks/sum")
	b.sees("main", "adds a number to the sum")
	b.click("[aria-label='call add of sum']")
	b.until("the field has the focus", `document.activeElement.name === "n"`)
	b.press("40", kb.Enter)
	b.sees("dialog .answer", `"sum": 40`)
	b.accessible("method")
	b.click("dialog [name=n]")
	b.press(kb.Backspace, kb.Backspace, "2", kb.Enter)
	b.sees("dialog .answer", `"sum": 42`)
	b.press(kb.Escape)
	b.until("the dialog is gone", "!document.querySelector('dialog')")

	b.open(p.url + "#/queues/letters")
	b.sees(".messages", "hello")
	b.click("main button.hard")
	b.sees("dialog[open]", "Delete 1 message of letters?")
	b.press("leters", kb.Enter)
	b.sees("dialog [role=alert]", "must be confirmed")
	if q, err := p.Queue(ctx, "letters"); err != nil || q.Depth != 1 {
		t.Fatalf("a wrong name left %d messages, %v", q.Depth, err)
	}
	b.eval(`document.querySelector("dialog [name=confirm]").value = ""`)
	b.click("dialog [name=confirm]")
	b.press("letters", kb.Enter)
	b.sees(".notices", "1 message deleted")
	if q, err := p.Queue(ctx, "letters"); err != nil || q.Depth != 0 {
		t.Errorf("after the purge there are %d messages, %v", q.Depth, err)
	}
	b.clean()
}
