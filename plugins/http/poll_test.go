package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taskhost/taskhost/sdk/tasktest"
)

// document is a site with one document that tests change.
type document struct {
	text    atomic.Pointer[string]
	tagless bool
	asked   atomic.Int64
	unsaved atomic.Int64 // answers with a body
}

func (d *document) set(text string) { d.text.Store(&text) }

func (d *document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.asked.Add(1)
	text := *d.text.Load()
	tag := fmt.Sprintf("%q", fmt.Sprint(len(text), text[:1]))
	if !d.tagless {
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	d.unsaved.Add(1)
	fmt.Fprint(w, text)
}

func TestAPollFetchesWhatHasChanged(t *testing.T) {
	t.Parallel()
	for _, tagless := range []bool{false, true} {
		d := &document{tagless: tagless}
		d.set("one")
		file := filepath.Join(t.TempDir(), "doc")
		url := site(t, d.ServeHTTP)
		r := tasktest.Run(t, typeNamed("poll"), fmt.Sprintf("url = %q\nsave_to = %q", url, file))
		want := func(name string, changed bool, content string) {
			t.Helper()
			got := result[Document](t, r)
			if got.Changed != changed || got.Bytes != int64(len(content)) || r.State("changed") != fmt.Sprint(changed) || r.State("bytes") != fmt.Sprint(len(content)) {
				t.Errorf("tagless %v, %s: %+v", tagless, name, got)
			}
			if saved, err := os.ReadFile(file); err != nil || string(saved) != content {
				t.Errorf("tagless %v, %s: the file holds %q, %v", tagless, name, saved, err)
			}
		}
		want("first", true, "one")
		r = r.Next()
		want("again", false, "one")
		d.set("second")
		r = r.Next()
		want("changed", true, "second")
		if fetched := d.unsaved.Load(); !tagless && fetched != 2 {
			t.Errorf("%d answers had a body; want 2", fetched)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		r = r.Next()
		want("file lost", false, "second")
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".*")); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

func TestACheckpointOfAnotherURLDoesNotCount(t *testing.T) {
	t.Parallel()
	d := &document{}
	d.set("one")
	url := site(t, d.ServeHTTP)
	old := seen{URL: "http://other.example", Document: Document{ETag: `"3 o"`, SHA256: "x"}}
	r := tasktest.Run(t, typeNamed("poll"), fmt.Sprintf("url = %q", url), tasktest.Checkpoint(seenKey, old))
	if got := result[Document](t, r); !got.Changed || got.Status != 200 {
		t.Errorf("%+v", got)
	}
}

func TestACrashAfterTheCommitFetchesNothingTwice(t *testing.T) {
	t.Parallel()
	d := &document{}
	d.set("one")
	url := site(t, d.ServeHTTP)
	r := tasktest.Run(t, typeNamed("poll"), fmt.Sprintf("url = %q", url), tasktest.KillAfterCommit(1))
	r.Wait()
	r = r.Retry()
	if got := result[Document](t, r); got.Changed || d.unsaved.Load() != 1 {
		t.Errorf("%+v after %d fetches", got, d.unsaved.Load())
	}
}

func TestStatusesSayWhetherAnotherTryHelps(t *testing.T) {
	t.Parallel()
	url := site(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.Header().Set("Retry-After", r.URL.Query().Get("after"))
		w.WriteHeader(status)
	})
	for path, want := range map[string]struct {
		class string
		after time.Duration
	}{
		"/404":                 {"permanent", 0},
		"/401":                 {"permanent", 0},
		"/500":                 {"error", 0},
		"/408":                 {"error", 0},
		"/429":                 {"error", 0},
		"/429?after=7":         {"retry", 7 * time.Second},
		"/503?after=999999999": {"retry", 24 * time.Hour},
		"/503?after=soon":      {"error", 0},
		"/304":                 {"permanent", 0}, // nobody has asked whether it changed
	} {
		r := tasktest.Run(t, typeNamed("poll"), fmt.Sprintf("url = %q", url+path))
		if r.Outcome() != "failed" || r.Class() != want.class || r.RetryAfter() != want.after || r.Checkpoint(seenKey) != "" {
			t.Errorf("%s: %s %s after %s: %s", path, r.Outcome(), r.Class(), r.RetryAfter(), r.Message())
		}
	}
}

func TestADocumentThatIsTooLargeChangesNothing(t *testing.T) {
	t.Parallel()
	d := &document{}
	d.set(strings.Repeat("x", 5000))
	file := filepath.Join(t.TempDir(), "doc")
	r := tasktest.Run(t, typeNamed("poll"), fmt.Sprintf("url = %q\nmax_body = \"4KiB\"\nsave_to = %q", site(t, d.ServeHTTP), file))
	if r.Class() != "permanent" || !strings.Contains(r.Message(), "4KiB") {
		t.Errorf("%s: %s", r.Class(), r.Message())
	}
	if left, err := os.ReadDir(filepath.Dir(file)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"90":                            90 * time.Second,
		"Sun, 01 Mar 2026 12:05:00 GMT": 5 * time.Minute,
		"Sun, 01 Mar 2026 11:00:00 GMT": 0,
		"":                              -1,
		"-5":                            -1,
	} {
		got, ok := retryAfter(text, now)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q = %s; want %s", text, got, want)
		}
	}
}
