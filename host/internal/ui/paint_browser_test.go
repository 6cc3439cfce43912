//go:build !race

package ui_test

import (
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

var paints = flag.Int("paints", 2, "how often the page is opened to see when it is painted first")

// oneWord serves a page of one word: what the browser itself takes to open anything.
func oneWord(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><title>one</title><body>word")
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// painted opens a page that is not open and says after how many ms it has shown something first.
func (b *browser) painted(url string) int {
	b.t.Helper()
	b.open("about:blank")
	b.open(url)
	ms, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`new Promise((seen) => new PerformanceObserver((all) => {
		const one = all.getEntriesByName("first-contentful-paint")[0];
		if (one) seen(Math.round(one.startTime));
	}).observe({ type: "paint", buffered: true }))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return ms
}

// TestWhenThePageIsPaintedFirst says how long a person looks at nothing. A time says more about the machine than about the page, so it
// judges nothing, and stands beside that of a page of one word.
func TestWhenThePageIsPaintedFirst(t *testing.T) {
	p := startPlace(t, tasks)
	word := oneWord(t)
	b := newBrowser(t, 1280, 800)
	b.login(p.url, p.token)
	watch := page.AddScriptToEvaluateOnNewDocumentParams{Source: `new MutationObserver(() => {
		if (!window.rowsAt && document.querySelector(".task-row")) window.rowsAt = Math.round(performance.now());
	}).observe(document, { subtree: true, childList: true })`}
	if _, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, watch); err != nil {
		t.Fatal(err)
	}
	times := map[string][]int{}
	for range *paints {
		times["the page is painted first"] = append(times["the page is painted first"], b.painted(p.url))
		b.sees(".task-row", "clock")
		rows, err := strconv.Atoi(b.eval("window.rowsAt"))
		if err != nil {
			t.Fatal(err)
		}
		times["the tasks are there"] = append(times["the tasks are there"], rows)
		times["a page of one word is painted first"] = append(times["a page of one word is painted first"], b.painted(word))
	}
	for what, all := range times {
		slices.Sort(all)
		t.Logf("%s after %d ms (median of %d; %d to %d)", what, all[len(all)/2], len(all), all[0], all[len(all)-1])
	}
	b.clean()
}

func TestAPageThatOpensThisOneCannotHoldIt(t *testing.T) {
	p := startPlace(t, tasks)
	b := newBrowser(t, 1280, 800)
	b.open(oneWord(t))
	click := func(e *runtime.EvaluateParams) { e.UserGesture = new(true) }
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`Boolean(window.held = open("`+p.url+`"))`, click)); err != nil {
		t.Fatal(err)
	}
	b.until("it is let go", "held.closed")
}
