package ui

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func TestEveryFileIsServedWithItsTypeAndThePolicy(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	total := 0
	for name, f := range p.files {
		w := httptest.NewRecorder()
		if !p.ServeFile(w, httptest.NewRequest("GET", "/ui/"+name, nil), name) || w.Code != 200 {
			t.Errorf("%s is not served: %d", name, w.Code)
		}
		if f.media == "" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "require-trusted-types-for 'script'") {
			t.Errorf("%s has the media type %q and the headers %v", name, f.media, w.Header())
		}
		again := httptest.NewRequest("GET", "/ui/"+name, nil)
		again.Header.Set("If-None-Match", w.Header().Get("ETag"))
		same := httptest.NewRecorder()
		p.ServeFile(same, again, name)
		if same.Code != 304 || same.Body.Len() != 0 {
			t.Errorf("%s is sent again: %d", name, same.Code)
		}
		total += len(f.zipped())
	}
	if total > 100<<10 {
		t.Errorf("%d bytes of the page are transferred; it is to stay below 100 KiB", total)
	}
}

func TestFilesAreZippedForWhoTakesIt(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	r := httptest.NewRequest("GET", "/ui/", nil)
	r.Header.Set("Accept-Encoding", "br, gzip;q=0.8")
	w := httptest.NewRecorder()
	p.ServeFile(w, r, "")
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil || string(data) != string(p.files["index.html"].plain) {
		t.Errorf("%q, %v", data, err)
	}
	for header, want := range map[string]bool{"gzip": true, "": false, "gzip;q=0": false, "identity": false} {
		if acceptsGzip(header) != want {
			t.Errorf("acceptsGzip(%q) = %v", header, !want)
		}
	}
}

func TestOnlyAPageThatAPersonOpenedIsNotKeptApart(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	for site, apart := range map[string]bool{"none": false, "same-origin": true, "same-site": true, "cross-site": true, "": true} {
		r := httptest.NewRequest("GET", "/ui/", nil)
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin") // as every answer has it
		p.ServeFile(w, r, "")
		if got := w.Header().Get("Cross-Origin-Opener-Policy") != ""; got != apart || !strings.Contains(w.Header().Get("Vary"), "Sec-Fetch-Site") {
			t.Errorf("Sec-Fetch-Site %q: kept apart is %v, the headers are %v", site, got, w.Header())
		}
	}
}

func TestNoFileButThePagesOwnIsServed(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	for _, name := range []string{"../page.go", "files/main.js", "views", "nope.js", "/etc/passwd", "."} {
		if p.ServeFile(httptest.NewRecorder(), httptest.NewRequest("GET", "/ui/", nil), name) {
			t.Errorf("%q is served", name)
		}
	}
}

var (
	imports   = regexp.MustCompile(`(?m)^import .* from "([^"]+)";$`)
	forbidden = regexp.MustCompile(`innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function|https?://`)
)

// The names that a page may spell without asking anybody: the one is the name of a language, the others stand in examples.
var harmless = strings.NewReplacer("http://www.w3.org/2000/svg", "", "https://example.org/orders", "")

// preact can make markup when it is asked to. dom.js, which alone asks it for anything, refuses (TestElementsAndFormsAreMadeAsDescribed),
// and so does the browser by the page's policy. The file is the one of version 11.2.0 without its last line, which names a source map.
const (
	vendored       = "vendor/preact/preact.js"
	vendoredDigest = "225d7a773766e6fb2cfcc45274fe41d2059f5782f3f2c4569aa5132a2d3a2902"
)

func TestPreactIsTheOneThatWasPublishedAndHasItsLicenceBesideIt(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	if sum := sha256.Sum256(p.files[vendored].plain); hex.EncodeToString(sum[:]) != vendoredDigest {
		t.Errorf("%s is not the published one: %x", vendored, sum)
	}
	if licence := p.files[path.Join(path.Dir(vendored), "LICENSE")]; licence == nil || !strings.Contains(string(licence.plain), "The MIT License") {
		t.Error("the licence of preact is not served")
	}
	for name, f := range p.files {
		if path.Ext(name) == ".js" && name != "dom.js" && strings.Contains(string(f.plain), "vendor/") {
			t.Errorf("%s goes past dom.js", name)
		}
	}
}

func TestModulesImportWhatIsThereAndNeverMakeMarkup(t *testing.T) {
	t.Parallel()
	p := New(Options{})
	for name, f := range p.files {
		if path.Ext(name) != ".js" {
			continue
		}
		for _, m := range imports.FindAllStringSubmatch(string(f.plain), -1) {
			if at := path.Join(path.Dir(name), m[1]); p.files[at] == nil {
				t.Errorf("%s imports %s, which is not there", name, m[1])
			}
		}
		if name == vendored {
			continue
		}
		if found := forbidden.FindString(harmless.Replace(string(f.plain))); found != "" {
			t.Errorf("%s has %q: text becomes a text node, and everything comes from the host", name, found)
		}
	}
}
