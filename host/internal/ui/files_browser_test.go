//go:build !race

package ui_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/ui"
)

// startFiles serves the files of the page without a host behind them, and returns the address of a document that runs
// nothing, under the policy of the page.
func startFiles(t *testing.T) string {
	t.Helper()
	page := ui.New(ui.Options{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/ui/")
		if name == "bare" {
			policy := httptest.NewRecorder()
			page.ServeFile(policy, r, "")
			maps.Copy(w.Header(), policy.Header())
			w.Header().Del("Content-Encoding")
			io.WriteString(w, `<!doctype html><html lang="en"><title>bare</title><body></body></html>`)
		} else if !page.ServeFile(w, r, name) {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/ui/bare"
}

// checks runs scripts on what modules export, each with an empty box in the document, and with same and throws to say
// what is wrong.
func (b *browser) checks(url string, scripts map[string]string, modules ...string) {
	b.t.Helper()
	b.open(url)
	for _, m := range modules {
		b.eval(fmt.Sprintf(`import("./%s").then((m) => { window.given = { ...window.given, ...m }; window[%q] = true; }), "asked"`, m, m))
		b.until(m+" is there", fmt.Sprintf("window[%q]", m))
	}
	names := b.eval(`Object.keys(given).join(", ")`)
	for what, script := range scripts {
		wrong := b.eval(`(() => {
			const wrong = [];
			const same = (what, got, want) => { if (JSON.stringify(got) !== JSON.stringify(want)) wrong.push(what + ": " + JSON.stringify(got) + ", not " + JSON.stringify(want)); };
			const throws = (what, act) => { try { act(); } catch { return; } wrong.push(what + " is allowed"); };
			const box = document.createElement("div");
			document.body.replaceChildren(box);
			try {
				const {` + names + `} = given;
				` + script + `
			} catch (err) { wrong.push(err.stack); }
			return wrong.join("\n");
		})()`)
		if wrong != "" {
			b.t.Errorf("it %s: %s", what, wrong)
		}
	}
	b.clean()
}
