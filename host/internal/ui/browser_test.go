//go:build !race

// The tests in Chromium are left out under the race detector: it looks at the host's code, which the tests of the API
// and those of this package run under it, and would take minutes for the rest.

package ui_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/taskhost/taskhost/host/admintest"
)

// A browser is a headless Chromium with one page open.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // what the page's console says is wrong
}

// newBrowser starts one with a window of this size; without a Chromium on the machine the test is skipped.
func newBrowser(t *testing.T, width, height int, options ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	return newBrowserFor(t, 8*time.Minute, width, height, options...) // seconds, unless the machine is busy with something else
}

// newBrowserFor starts one that ends after a time at the latest.
func newBrowserFor(t *testing.T, life time.Duration, width, height int, options ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		t.Skip("no Chromium here: the page is not tested; install the package chromium (as root, make test does)")
	}
	all := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(width, height), chromedp.Flag("lang", "en"))
	if os.Geteuid() == 0 {
		all = append(all, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(context.Background(), life)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(all, options...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatalf("follow the console: %v", err)
	}
	return b
}

// listen notes what the page must never do: throw, or break its own policy.
func (b *browser) listen(event any) {
	text := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
	case *log.EventEntryAdded:
		if e.Entry.Source == log.EntrySourceSecurity || strings.Contains(e.Entry.Text, "Content Security Policy") {
			text = e.Entry.Text
		}
	}
	if text != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.problems = append(b.problems, text)
	}
}

// clean fails the test when the page threw, or broke its policy.
func (b *browser) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.problems {
		b.t.Errorf("the page: %s", p)
	}
}

func (b *browser) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
}

// eval is the value of an expression in the page, as text.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	out, err := chromedp.Run(b.ctx, chromedp.Evaluate[string]("String("+expression+")"))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return out
}

// until waits for an expression to be true. One that throws is not true yet, and a promise is what comes of it.
func (b *browser) until(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, admintest.Bound)
	defer cancel()
	whole := "(async () => { try { return Boolean(await (" + expression + ")); } catch { return false; } })()"
	poll := chromedp.Poll[bool](whole, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(0))
	if _, err := chromedp.Run(ctx, poll); err != nil {
		b.t.Fatalf("%s: %v; the page shows:\n%s\n%v", what, err, b.text("body"), b.problems)
	}
}

// sees waits for a text in the first element of a selector.
func (b *browser) sees(selector, text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("%s shows %q", selector, text), fmt.Sprintf("document.querySelector(%q)?.innerText.includes(%q)", selector, text))
}

func (b *browser) text(selector string) string {
	b.t.Helper()
	return b.eval(fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

func (b *browser) click(selector string) {
	b.t.Helper()
	b.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// press sends keys to whatever has the focus.
func (b *browser) press(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.strike(k, 0)
	}
}

// strike sends keys as a keyboard does: what a listener prevents is not written either.
func (b *browser) strike(keys string, modifiers chromedp.Modifier) {
	b.t.Helper()
	for _, r := range keys {
		steps := kb.Encode(r)
		if len(steps) == 3 { // down, character, up
			steps[0].Text, steps[0].UnmodifiedText = steps[1].Text, steps[1].UnmodifiedText
			steps = append(steps[:1], steps[2])
		}
		for _, step := range steps {
			step.Modifiers |= int64(modifiers)
			if _, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, *step); err != nil {
				b.t.Fatalf("press %q: %v", keys, err)
			}
		}
	}
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.do("open "+url, chromedp.Navigate(url))
}

// look sets the size of the window and the colours.
func (b *browser) look(width, height int64, scheme string) {
	b.t.Helper()
	b.do("set the size", chromedp.EmulateViewport(width, height))
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
		b.t.Fatalf("set the colours: %v", err)
	}
}

// picture is what the window shows, as PNG.
func (b *browser) picture() []byte {
	b.t.Helper()
	data, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatalf("take a picture: %v", err)
	}
	return data
}

// login opens the page and logs in with a token, as a person does.
func (b *browser) login(url, token string) {
	b.t.Helper()
	b.open(url)
	b.sees("h1", "taskhost")
	b.do("type the token", chromedp.SendKeys(chromedp.CSS("input[name=token]"), token))
	b.press(kb.Enter)
	b.until("the page is open", `document.querySelector(".top")`)
}

func reload() chromedp.Action[chromedp.Void] { return chromedp.Reload() }
