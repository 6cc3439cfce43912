//go:build !race

package ui_test

import (
	"context"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admin"
)

func TestTheOverviewShowsTheTasksAndKeepsItsFilterInTheAddress(t *testing.T) {
	p := startPlace(t, tasks)
	b := newBrowser(t, 1280, 800)
	b.login(p.url, p.token)
	b.sees("[data-task=clock]", "running")
	b.sees("[data-task=greet]", "on demand")
	b.sees("[data-task=nightly]", "every day at 02:15")
	b.until("the countdown runs", `/in \d+ h/.test(document.querySelector("[data-task=nightly] .c-next").innerText)`)

	b.click("#search")
	b.press("shop")
	b.until("only greet is left", `document.querySelectorAll(".task-row").length === 1 && document.querySelector("[data-task=greet]")`)
	b.until("the address says so", `location.hash.includes("q=shop")`)
	b.do("read the page anew", reload())
	b.until("only greet is left", `document.querySelectorAll(".task-row").length === 1 && document.querySelector("[data-task=greet]")`)
	b.clean()
}

func TestATaskIsStoppedWithTheMouseAndTheHostSaysSo(t *testing.T) {
	p := startPlace(t, tasks)
	b := newBrowser(t, 1280, 800)
	b.login(p.url, p.token)
	b.click("[data-task=clock] .more")
	b.sees("[role=menu]", "Kill now")
	b.click("[role=menuitem]")
	b.sees("dialog[open]", "Stop clock?")
	b.click("dialog [type=submit]")
	b.sees(".notices", "clock: stop done, it is stopped")
	b.sees("[data-task=clock] .c-state", "stopped")
	if got := p.UntilState("clock", "stopped"); got.Stopped == nil || got.Stopped.By != "admin" {
		t.Errorf("the host says %+v of who stopped it", got.Stopped)
	}
	b.click("[data-task=clock] button")
	b.sees("[data-task=clock] .c-state", "running")
	b.clean()
}

// brokenTask is a queue, and a task whose runs fail.
const brokenTask = `
queue "letters" {}
task "broken" {
  plugin = "hostile"
  type   = "work"
  on_demand {}
  config {
    fail = true
  }
}
`

func TestMarkupOfAPluginStaysText(t *testing.T) {
	p := startPlace(t, tasks+brokenTask)
	if _, err := p.Post(context.Background(), "letters", []byte(`{"text":"<img src=x onerror=alert(1)>"}`), admin.PostOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.StartRun(context.Background(), "broken", admin.RunRequest{}, "", 0); err != nil {
		t.Fatal(err)
	}
	failed := p.UntilRun("broken", "failed")
	b := newBrowser(t, 1280, 800)
	b.login(p.url, p.token)
	b.sees("[data-task=broken] .c-note", "<img src=x")
	b.open(p.url + "#/tasks/clock")
	b.sees(".log", "<script>document.title='owned'</script>")
	b.sees("main", "1 of 3")
	b.until("the state is there", `[...document.querySelectorAll("th")].some((th) => th.innerText.includes("<img src=x"))`)
	b.open(p.url + "#/runs/" + failed.ID)
	b.sees(".why.bad", "<img src=x")
	b.open(p.url + "#/queues/letters")
	b.sees(".messages", "<img src=x onerror=alert(1)>")
	b.until("no element came of it", `!document.querySelector("img[src=x], main script, b[onmouseover]") && !document.title.includes("owned")`)
	b.clean()
}

func TestThePageComesBackByItselfAfterALostConnection(t *testing.T) {
	p := startPlace(t, tasks)
	b := newBrowser(t, 1280, 800)
	b.login(p.url, p.token)
	b.sees("[data-task=clock]", "running")
	b.open(p.url + "#/tasks/clock")
	b.sees(".log", "field=")
	b.eval("window.opened = 'once'")
	p.cut()
	if _, err := p.Pause(context.Background(), "nightly", admin.Pause{Reason: "holidays"}); err != nil {
		t.Fatal(err)
	}
	b.eval("location.hash = '#/'")
	b.sees("[data-task=nightly]", "paused")
	b.eval("location.hash = '#/tasks/clock'")
	b.sees(".log", "field=")

	p.Stop()
	b.sees(".banner", "Connection lost")
	b.until("what is shown is marked as old", `document.querySelector(".stale main h1")`)
	p.Launch()
	p.find(t)
	b.sees("main", "Your session has ended")
	b.click("input[name=token]")
	b.press(p.token, kb.Enter)
	b.sees("h1", "clock")
	b.until("the log goes on", `document.querySelector(".log").innerText.match(/launched/g)?.length >= 2`)
	b.eval("location.hash = '#/'")
	b.sees("[data-task=nightly]", "paused")
	b.until("the page was never loaded anew", `window.opened === "once" && !document.querySelector(".banner, .stale")`)
	b.clean()
}

func TestAWrongTokenIsRefusedAndALogoutEndsTheSession(t *testing.T) {
	p := startPlace(t, tasks)
	b := newBrowser(t, 1280, 800)
	b.open(p.url)
	b.sees("h1", "taskhost")
	b.click("input[name=token]")
	b.press("th_wrong", kb.Enter)
	b.sees("[role=alert]", "the token is none of the host's")
	b.login(p.url, p.token)
	b.sees("[data-task=clock]", "running")
	b.until("scripts cannot read the session", `document.cookie === ""`)
	b.eval(`[...document.querySelectorAll(".top button")].at(-1).click()`)
	b.sees("main", "Log in with a token")
	b.until("the API is closed again", `fetch("../v1/tasks").then((r) => r.status === 401)`)
	b.clean()
}

// behind serves the page below a path, as a proxy would.
func behind(t *testing.T, p *place, prefix string) string {
	t.Helper()
	target, err := url.Parse(strings.TrimSuffix(p.url, "/ui/"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, prefix)
			r.SetURL(target)
		},
		FlushInterval: -1,
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s.URL + prefix + "/ui/"
}

func TestAViewerBehindAProxySeesEverythingAndNoButton(t *testing.T) {
	p := startPlace(t, tasks+brokenTask)
	if _, err := p.StartRun(context.Background(), "broken", admin.RunRequest{}, "", 0); err != nil {
		t.Fatal(err)
	}
	failed := p.UntilRun("broken", "failed")
	at := behind(t, p, "/jobs/th")
	b := newBrowser(t, 1280, 800)
	b.login(at, p.tokenOf(t, "vera", "viewer"))
	b.sees("[data-task=clock]", "running")
	b.sees(".top", "vera")
	b.until("no row has a button", `!document.querySelector(".task-row button")`)
	b.press("j", "s")
	b.until("no key asks for anything", `!document.querySelector("dialog")`)
	b.open(at + "#/tasks/clock")
	b.sees(".log", "field=")
	b.until("the view has no button for it", `!document.querySelector(".title button")`)
	b.open(at + "#/runs/" + failed.ID)
	b.sees(".moments", "queued")
	b.until("the run has none", `!document.querySelector(".title button")`)
	b.open(at + "#/queues/letters")
	b.sees("h1", "letters")
	b.until("the queue has none", `!document.querySelector("main button")`)
	b.clean()
}
