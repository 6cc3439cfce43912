package support_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/access"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
	"github.com/taskhost/taskhost/host/internal/support"
	"github.com/taskhost/taskhost/host/internal/task"
)

func client(t *testing.T, addr, token string) *admin.Client {
	t.Helper()
	c, err := admin.New(addr, admin.Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var options = support.Options{Client: "1.2.3", Now: func() time.Time { return apitest.Epoch }}

// gather makes an archive and reads it again: the texts by their names, in a directory that all have in common.
func gather(t *testing.T, c *admin.Client) (support.Manifest, map[string][]byte) {
	t.Helper()
	var archive bytes.Buffer
	m, err := support.Gather(t.Context(), c, &archive, options)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&archive)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return m, files
		}
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(h.Name, "taskhost-support-"+apitest.Epoch.Format("20060102-150405")+"/")
		if !ok || h.Mode != 0o600 || path.Clean(name) != name {
			t.Errorf("%s has mode %o", h.Name, h.Mode)
		}
		if files[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnArchiveHoldsWhatTheHostSaysOfItself(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l.Unix, "")
	l.Logs.Add("info", "a line of the log")
	if _, err := c.StartRun(t.Context(), "quick", admin.RunRequest{Input: json.RawMessage(`{"month":"the data of the work"}`)}, "", 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Pause(t.Context(), "quick", admin.Pause{Reason: "looked at"}); err != nil {
		t.Fatal(err)
	}
	l.Store.Event(task.Event{At: apitest.Epoch, Topic: "run", Kind: "progress", Task: "quick", Text: "a note of its author"})
	m, files := gather(t, c)
	if len(m.Missing) > 0 {
		t.Errorf("missing: %+v", m.Missing)
	}
	for _, p := range m.Parts {
		if text, there := files[p.File]; !there || len(text) != p.Bytes || p.What == "" {
			t.Errorf("%+v: %d bytes, %v", p, len(text), there)
		}
		if strings.HasSuffix(p.File, ".json") && !json.Valid(files[p.File]) {
			t.Errorf("%s is no JSON", p.File)
		}
	}
	for file, want := range map[string]string{
		"host.json": `"version": "`, "healthz.json": `"ok"`, "readyz.json": `"checks"`, "config.json": `"generation"`, "generation.json": `"config"`,
		"tasks.json": `"name": "clock"`, "queues.json": `"name": "urls"`, "runs.jsonl": `"task":"quick"`, "events.jsonl": `"topic":"task"`,
		"audit.jsonl": `looked at`, "overrides.json": `looked at`, "metrics.txt": "# TYPE", "goroutines.txt": "goroutine ", "logs/quick.jsonl": "a line of the log",
	} {
		if !strings.Contains(string(files[file]), want) {
			t.Errorf("%s lacks %s:\n%.300s", file, want, files[file])
		}
	}
	for file, text := range files {
		for _, data := range []string{"the data of the work", "tick 120", "a note of its author"} {
			if strings.Contains(string(text), data) {
				t.Errorf("%s holds %q", file, data)
			}
		}
	}
	var kept support.Manifest
	if err := json.Unmarshal(files["manifest.json"], &kept); err != nil || len(kept.Parts) != len(m.Parts) || kept.Client != "1.2.3" || kept.LeftOut == "" || kept.Via != "unix" {
		t.Errorf("%v %+v", err, kept)
	}
}

func TestWhatCannotBeHadIsNamedWithTheReason(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	m, files := gather(t, client(t, l.TCP, apitest.Token))
	if len(m.Missing) != 1 || m.Missing[0].File != "goroutines.txt" || !strings.Contains(m.Missing[0].Why, "profiles are for admins on the Unix socket") {
		t.Errorf("missing: %+v", m.Missing)
	}
	if files["goroutines.txt"] != nil || files["tasks.json"] == nil || !strings.Contains(string(files["manifest.json"]), "Unix socket") {
		t.Errorf("files: %d", len(files))
	}
}

func TestOnlyAnAdminGathers(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	for name, token := range map[string]access.Token{
		"viewer": {Role: api.Viewer}, "operator": {Role: api.Operator}, "part": {Role: api.Operator, Scope: access.Scope{Tasks: []string{"quick"}}},
	} {
		token.Name = name
		_, text, err := l.Tokens.Create(token)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		_, err = support.Gather(t.Context(), client(t, l.TCP, text), &out, options)
		if p := admin.AsProblem(err); p == nil || p.Status != http.StatusForbidden || p.Remedy == "" || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, out.Len())
		}
	}
}

// sick is a host that answers badly, and names a task as no host does.
func sick(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v1/whoami":
		fmt.Fprint(w, `{"name":"root","role":"admin","via":"unix"}`)
	case "/v1/tasks":
		fmt.Fprint(w, `{"items":[{"name":"../../escape"},{"name":"fine"}],"next_cursor":null}`)
	case "/v1/tasks/fine/logs":
		fmt.Fprintln(w, `{"message":"one"}`)
	case "/v1/queues":
		fmt.Fprint(w, `{"items":`)
	default:
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"status":503,"code":"stalled","detail":"the host makes no progress"}`)
	}
}

func TestASickHostGivesWhatItCan(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(sick))
	defer server.Close()
	m, files := gather(t, client(t, server.URL, ""))
	if !strings.Contains(string(files["healthz.json"]), "makes no progress") {
		t.Errorf("healthz: %s", files["healthz.json"])
	}
	why := map[string]string{}
	for _, miss := range m.Missing {
		why[miss.File] = miss.Why
	}
	if !strings.Contains(why["metrics.txt"], "makes no progress") || !strings.Contains(why["queues.json"], "read the answer") || why["healthz.json"] != "" {
		t.Errorf("missing: %v", why)
	}
	for file := range files {
		if strings.Contains(file, "escape") || slices.Contains(strings.Split(file, "/"), "..") {
			t.Errorf("a task's name led to %s", file)
		}
	}
	if files["logs/fine.jsonl"] == nil {
		t.Error("the log of the other task is missing")
	}
}

func TestAnArchiveEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("the person has gone")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/whoami" {
			cancel(gone)
			<-r.Context().Done()
		}
		sick(w, r)
	}))
	defer server.Close()
	if _, err := support.Gather(ctx, client(t, server.URL, ""), io.Discard, options); !errors.Is(err, gone) {
		t.Errorf("error %v", err)
	}
}
