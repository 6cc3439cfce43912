//go:build !race

package ui_test

import (
	"context"
	"fmt"
	"time"

	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
)

// doomedQueue is a queue whose messages can be made to die, and a task that runs twice at a time.
const doomedQueue = `
queue "orders" {}
task "pack" {
  plugin = "hostile"
  type   = "handle"
  continuous {}
  consume "orders" {}
  output "out" {
    queue = "letters"
  }
}
task "pair" {
  plugin = "hostile"
  type   = "work"
  periodic {
    every        = "24h"
    overlap      = "allow"
    max_parallel = 2
  }
}
`

// viewKeys are the views that have keys of their own, each with its heading.
var viewKeys = []struct{ key, href, heading string }{
	{"q", "#/queues", "Queues"}, {"p", "#/pipeline", "Pipeline"}, {"t", "#/timeline", "Timeline"}, {"l", "#/plugins", "Plugins"},
	{"c", "#/config", "Configuration"}, {"e", "#/events", "Events"}, {"o", "#/", "Tasks"},
}

var frameActs = []act{
	{"log in", []string{"ui/login"}, func(k *keyboard) {
		k.sees("h1", "taskhost")
		k.until("the token has the focus", `document.activeElement.name === "token"`)
		k.press(k.p.token)
		k.enter("[type=submit]")
		k.until("the page is open", `document.querySelectorAll(".task-row").length === 8`)
	}},
	{"skip to the content", nil, func(k *keyboard) {
		k.press(kb.Tab)
		k.until("the first stop is the way past the header", `document.activeElement.className === "skip"`)
		k.press(kb.Enter)
		k.until("the content has the focus", `document.activeElement.id === "main"`)
	}},
	{"the help sheet, and keys turned off and on", nil, func(k *keyboard) {
		k.press("?")
		k.sees("dialog[open]", "next, previous row")
		k.tabTo("dialog [type=checkbox]")
		k.press(" ", kb.Escape)
		k.until("the sheet is gone", `!document.querySelector("dialog")`)
		k.press("?")
		k.enter("[aria-label=keys]")
		k.until("keys are off", `document.querySelector("dialog[open] [type=checkbox]")?.checked === false`)
		k.tabTo("dialog [type=checkbox]")
		k.press(" ")
		k.enter("dialog [type=button]")
		k.until("the sheet is gone", `!document.querySelector("dialog")`)
	}},
	{"go to every view", nil, func(k *keyboard) {
		for _, v := range viewKeys {
			k.press("g", v.key)
			k.until(v.heading+" is open", fmt.Sprintf("document.querySelector('h1')?.textContent === %q", v.heading))
		}
		for _, v := range viewKeys {
			k.enter("nav a[href='" + v.href + "']")
			k.until(v.heading+" is open", fmt.Sprintf("document.querySelector('h1')?.textContent === %q", v.heading))
		}
	}},
	{"search, filter and sort", nil, func(k *keyboard) {
		all := `document.querySelectorAll(".task-row").length === 8`
		k.press("/", "gree")
		k.until("one row is left", `document.querySelectorAll(".task-row").length === 1 && location.hash.includes("q=gree")`)
		k.press(kb.Escape)
		k.until("all are back", all)
		k.press("zzz")
		k.sees("#main", "No task fits")
		k.enter("#main .empty button")
		k.until("all are back", all)
		k.tabTo(".filter:nth-child(2)")
		k.press(" ")
		k.until("one state is left", `location.hash.includes("state=")`)
		k.press(" ")
		k.until("all are back", all+` && !location.hash.includes("state=")`)
		k.enter(".c-state .sort")
		k.until("it is sorted by state", `document.querySelector(".c-state").ariaSort === "ascending" && location.hash.includes("sort=state")`)
		k.enter(".c-name .sort")
	}},
}

var queueActs = []act{
	{"redrive and delete", []string{"v1/queues/*/redrive", "v1/queues/*/purge"}, func(k *keyboard) {
		for range 3 {
			if _, err := k.p.Post(context.Background(), "orders", []byte(`{"fail":true}`), admin.PostOptions{}); err != nil {
				k.t.Fatal(err)
			}
		}
		count := func(messages, dead int) {
			k.t.Helper()
			k.says(fmt.Sprintf("%d messages and %d dead letters", messages, dead), func(ctx context.Context) (bool, error) {
				q, err := k.p.Queue(ctx, "orders")
				return err == nil && q.Depth == messages && q.Dead == dead, err
			})
		}
		count(0, 3)
		if _, _, err := k.p.Client.Stop(context.Background(), "pack", admin.Verb{}, time.Minute); err != nil {
			k.t.Fatal(err)
		}
		k.press("g", "q")
		k.sees("main", "orders")
		k.enter("main a[href='#/queues/orders']")
		k.enter("[aria-label^='redrive ']")
		count(1, 2)
		k.until("the page knows it", `document.querySelector(".top .badge")?.innerText === "2"`)
		k.enter("section:has([aria-label^='redrive ']) .card-head button")
		k.sure("Redrive 2 dead letters of orders?")
		count(3, 0)
		purge := func(button string, what string) {
			k.enter(button)
			k.sees("dialog[open]", "Delete "+what)
			k.until("the field has the focus", `document.activeElement.name === "confirm"`)
			k.press("orders")
			k.enter("dialog [type=submit]")
			count(0, 0)
			k.until("the dialog is gone", `!document.querySelector("dialog")`)
		}
		k.sees("main", "3 of")
		purge("main button.hard", "3 messages")
		if _, _, err := k.p.Client.Start(context.Background(), "pack", admin.Verb{}, time.Minute); err != nil {
			k.t.Fatal(err)
		}
		if _, err := k.p.Post(context.Background(), "orders", []byte(`{"fail":true}`), admin.PostOptions{}); err != nil {
			k.t.Fatal(err)
		}
		count(0, 1)
		k.sees("section:has([aria-label^='redrive '])", "Purge dead letters")
		purge("section:has([aria-label^='redrive ']) .hard", "1 dead letter")
	}},
}

var viewActs = []act{
	{"plan, apply and go back", []string{"v1/config/plan", "v1/config/*"}, func(k *keyboard) {
		holds := func(number int, reason string) {
			k.t.Helper()
			k.says(fmt.Sprintf("generation %d holds", number), func(ctx context.Context) (bool, error) {
				all, err := k.p.Generations(ctx)
				return err == nil && all.Items[0].Number == number && all.Items[0].Reason == reason, err
			})
		}
		k.p.edit(k.t, nightlyHour, laterHour)
		k.press("g", "c")
		k.enter(".title button")
		k.sees(".plan", "20 3 * * *")
		for _, rest := range []string{"details:first-of-type", "details:last-of-type"} {
			k.enter(".plan " + rest + " summary")
			k.until("the rest of the plan is open", fmt.Sprintf("document.querySelector('.plan %s').open", rest))
		}
		k.enter(".plan button.main")
		k.until("the reason has the focus", `document.activeElement.name === "reason"`)
		k.press("later nights")
		k.enter("dialog [type=submit]")
		holds(2, "later nights")
		k.sees(".generations", "later nights")
		k.tabTo("[aria-label=from]")
		k.press("1")
		k.tabTo("[aria-label=to]")
		k.press("2")
		k.sees("[aria-label='difference of generations 1 and 2']", "20 3 * * *")
		k.enter("[aria-label='difference of generations 1 and 2'] .card-head button")
		k.until("it is closed", `!document.querySelector("[aria-label^='difference of']")`)
		k.enter("[aria-label='plan going back to generation 1']")
		k.sees(".plan", "Going back to generation 1")
		k.enter(".plan button.main")
		k.until("the reason has the focus", `document.activeElement.name === "reason"`)
		k.press(kb.Enter)
		holds(3, "")
	}},
	{"hold and narrow the events, and read the audit log", nil, func(k *keyboard) {
		k.press("g", "e")
		k.enter(".tools button")
		k.sees(".tools", "held")
		k.press(kb.Enter)
		k.sees(".tools", "live")
		k.tabTo("[aria-label='only events about']")
		k.press("c")
		k.until("only those of one topic are left", `location.hash.includes("topic=config") && [...document.querySelectorAll(".events tbody tr")].every((tr) => tr.cells[1].innerText === "config")`)
		k.press(kb.Home)
		k.press(kb.Escape) // a choice is no place for single keys
		k.press("/", "deaf")
		k.until("only those of one task are left", `location.hash.includes("task=deaf") && [...document.querySelectorAll(".events tbody tr")].every((tr) => tr.innerText.includes("deaf"))`)
		k.press(kb.Escape, kb.Escape)
		k.until("all are back", `!location.hash.includes("task=") && document.activeElement === document.body`)
		for range 60 {
			if _, err := k.p.Pause(context.Background(), "nightly", admin.Pause{}); err != nil {
				k.t.Fatal(err)
			}
			if _, err := k.p.Resume(context.Background(), "nightly", admin.Resume{}); err != nil {
				k.t.Fatal(err)
			}
		}
		k.enter(".sub-nav a[href='#/audit']")
		k.sees(".pages", "Older")
		k.enter(".pages button")
		k.sees(".pages", "Newest")
		k.enter(".pages button")
		for _, f := range []struct{ name, value string }{{"who", "admin"}, {"task", "deaf"}, {"queue", "orders"}} {
			k.tabTo(".grep[placeholder=" + f.name + "]")
			k.press(f.value, kb.Enter)
			k.until("the records of "+f.value+" are left", fmt.Sprintf(`location.hash.includes("%s") && document.querySelector("main").innerText.includes(%q)`, f.value, map[string]string{"queue": "No record fits."}[f.name]))
		}
		k.press(kb.Escape, kb.Enter)
		k.enter(".sub-nav a[href='#/events']")
	}},
	{"move along the timeline", nil, func(k *keyboard) {
		k.press("g", "t")
		k.sees("h1", "Timeline")
		k.enter(".filters .filter")
		k.until("an hour is shown", `location.hash.includes("zoom=1h")`)
		k.press("-", "-")
		k.until("a day is shown", `!location.hash.includes("zoom=")`)
		k.enter("[aria-label=earlier]")
		k.until("it has moved", `location.hash.includes("at=")`)
		k.enter("[aria-label=later]")
		k.until("it is back", `!location.hash.includes("at=")`)
		k.press(kb.ArrowLeft)
		k.until("it has moved", `location.hash.includes("at=")`)
		k.enter("[aria-label='around now']")
		k.until("it is back", `!location.hash.includes("at=")`)
		k.press("/", "night")
		k.until("one task is left", `document.querySelectorAll(".lane-list .lane").length === 1`)
		k.press(kb.Escape, kb.Escape)
	}},
	{"follow the pipeline, and look at a plugin", nil, func(k *keyboard) {
		k.press("g", "p")
		k.enter("[data-node='queue orders']")
		k.sees("h1", "orders")
		k.press("g", "l")
		k.enter("main a[href='#/plugins/hostile']")
		k.sees("h1", "hostile")
	}},
}

var lastActs = []act{
	{"log out", []string{"ui/logout"}, func(k *keyboard) {
		k.enter(".top > button:last-child")
		k.sees("main", "Log in with a token")
		k.until("the API is closed again", `fetch("../v1/tasks").then((r) => r.status === 401)`)
	}},
}
