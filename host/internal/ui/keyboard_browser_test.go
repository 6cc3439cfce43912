//go:build !race

package ui_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// recorder notes in the page which controls it shows, which of them were used, and whatever did not come from a key.
// A control is known by its name, without the names, numbers and ids of what it is about.
const recorder = `
window.keyed = { seen: new Set(), used: new Set(), wrong: [], saved: 0 };
{
	const controls = "button, a[href], input, select, textarea, summary";
	const plain = (text) => text.trim().replace(/[0-9a-z]{26}/g, "…").replace(/(:| of run| of) [\w-]+$/, "").replace(/\d+/g, "#").replace(/[ ↑↓]+$/, "");
	const name = (el) => {
		for (const one of ["filter", "sort", "moment"]) if (el.classList.contains(one)) return one;
		if (el.localName === "a") {
			const [path, query] = el.getAttribute("href").split("?");
			return /line=/.test(query) ? "link to a line" : "link " + path.replace(/(tasks|runs|queues|plugins)\/.+/, "$1/*");
		}
		if (el.localName === "summary") return "summary " + plain(el.innerText);
		if (el.localName === "button") return plain(el.getAttribute("aria-label") ?? el.innerText);
		return "field " + (el.getAttribute("aria-label") ?? (el.name || el.closest("label")?.innerText)).trim();
	};
	const collect = () => { for (const el of document.querySelectorAll(controls)) if (!el.disabled && el.checkVisibility()) keyed.seen.add(name(el)); };
	const note = (e) => {
		const el = e.target.closest?.(controls);
		if (!e.isTrusted || e.detail > 0) keyed.wrong.push(e.type + " of " + (el ? name(el) : e.target.localName));
		else if (el) keyed.used.add(name(el));
	};
	for (const type of ["click", "input", "change"]) document.addEventListener(type, note, true);
	for (const type of ["pointerdown", "mousedown"]) document.addEventListener(type, () => keyed.wrong.push(type), true);
	const save = URL.createObjectURL;
	URL.createObjectURL = (blob) => { keyed.saved++; return save.call(URL, blob); };
	new MutationObserver(collect).observe(document, { subtree: true, childList: true, characterData: true });
}
`

// A keyboard drives a page with keys alone.
type keyboard struct {
	*browser
	p *place
}

// tabTo goes with the tabulator to the first element of a selector.
func (k *keyboard) tabTo(selector string) {
	k.t.Helper()
	k.until(selector+" is there", fmt.Sprintf("document.querySelector(%q)?.checkVisibility()", selector))
	for range 20 {
		steps, err := strconv.Atoi(k.eval(fmt.Sprintf(`(() => {
			const target = document.querySelector(%q), at = document.activeElement;
			if (at === target) return 0;
			const all = [...(document.querySelector("dialog[open]") ?? document).querySelectorAll("*")].filter((el) => (el.tabIndex >= 0 || el === at) && !el.disabled && el.checkVisibility());
			return target ? all.indexOf(target) - all.indexOf(at) : 1;
		})()`, selector)))
		if err != nil {
			k.t.Fatal(err)
		}
		switch {
		case steps == 0:
			return
		case steps > 0:
			k.press(strings.Repeat(kb.Tab, steps))
		default:
			k.strike(strings.Repeat(kb.Tab, -steps), chromedp.ModifierShift)
		}
	}
	k.t.Fatalf("no way with the tabulator to %s; the focus is on %s", selector, k.eval("document.activeElement.outerHTML"))
}

// enter goes to an element and presses Enter.
func (k *keyboard) enter(selector string) {
	k.t.Helper()
	k.tabTo(selector)
	k.press(kb.Enter)
}

// item opens the menu of a task and takes one of its items.
func (k *keyboard) item(task, label string) {
	k.t.Helper()
	k.enter("[aria-label='more actions: " + task + "']")
	k.until("the menu offers "+label, fmt.Sprintf(`document.activeElement.role === "menuitem" && [...document.querySelectorAll("[role=menuitem]")].some((el) => el.innerText === %q)`, label))
	for range 10 {
		if k.eval("document.activeElement.innerText") == label {
			k.press(kb.Enter)
			k.until("the menu is gone", `!document.querySelector("[role=menu]")`)
			return
		}
		k.press(kb.ArrowDown)
	}
	k.t.Fatalf("the menu of %s has no %q: %s", task, label, k.text("[role=menu]"))
}

// sure answers the question that is open with yes.
func (k *keyboard) sure(title string) {
	k.t.Helper()
	k.sees("dialog[open]", title)
	k.until("the answer has the focus", `document.activeElement.closest("dialog[open] [type=submit]")`)
	k.press(kb.Enter)
}

// An act is something that a person does with the page; asks are what the page asks of the host for it, as asked finds
// them in the page's files.
type act struct {
	name string
	asks []string
	do   func(*keyboard)
}

var (
	verbAsked  = regexp.MustCompile(`\bask\((?:t\.name|d\.task), "(\w+)"(?:, \{ mode: "(\w+)")?`)
	pathAsked  = regexp.MustCompile("\\bpost\\((?:path)?(?:\"([^\"]*)\"|`([^`]*)`)")
	labelShown = regexp.MustCompile(`\blabel: (?:[^"{}]* \? )?"([^"]+)"(?: : "([^"]+)")?`)
	inPath     = regexp.MustCompile(`\$\{[^}]+\}`)
)

// asked is everything that the page's files ask of the host, and every item of a task's menu.
func asked(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"files/*.js", "files/parts/*.js", "files/views/*.js"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range verbAsked.FindAllStringSubmatch(string(data), -1) {
				all = append(all, strings.TrimSpace(m[1]+" "+m[2]))
			}
			for _, m := range pathAsked.FindAllStringSubmatch(string(data), -1) {
				all = append(all, inPath.ReplaceAllString(m[1]+m[2], "*"))
			}
			for _, m := range labelShown.FindAllStringSubmatch(string(data), -1) {
				all = append(all, m[1:]...)
			}
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(s string) bool { return s == "" })
}

func TestEveryActionIsDoneWithTheKeyboardAlone(t *testing.T) {
	acts := slices.Concat(frameActs, taskActs, runActs, queueActs, viewActs, lastActs)
	var covered []string
	for _, a := range acts {
		covered = append(covered, a.asks...)
	}
	for _, what := range asked(t) {
		if !slices.Contains(covered, what) {
			t.Errorf("%q of the page is done by no key in this test", what)
		}
	}
	p := startPlace(t, tasks+deafTask+orderTask+sumTask+doomedQueue, "examples/03-daemon")
	k := &keyboard{newBrowser(t, 1280, 900), p}
	if _, err := chromedp.Call(k.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: recorder}); err != nil {
		t.Fatal(err)
	}
	k.open(p.url)
	for _, a := range acts {
		if !t.Run(a.name, func(t *testing.T) {
			k.t = t
			a.do(k)
		}) {
			return
		}
	}
	k.t = t
	if wrong := k.eval(`keyed.wrong.join("; ")`); wrong != "" {
		t.Errorf("not by a key: %s", wrong)
	}
	if unused := k.eval(`[...keyed.seen.difference(keyed.used)].sort().join("\n")`); unused != "" {
		t.Errorf("shown, and reached by no key:\n%s", unused)
	}
	k.clean()
}
