package task_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/sdk/tasktest"
)

// TestThePipelineOfTheGuideLosesNothing builds the plugin that the guide for plugin authors shows, and kills it.
func TestThePipelineOfTheGuideLosesNothing(t *testing.T) {
	t.Parallel()
	source := fromGuide(t, "pipeline plugin")
	if lines := statements(source); lines > 50 {
		t.Errorf("the plugin of the guide has %d lines beside imports and blank ones; it should have about 45", lines)
	}
	p := tasktest.At(t, buildSource(t, source))
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintf(w, "page %s", r.URL.Path)
	}))
	defer site.Close()
	var mu sync.Mutex
	arrived := map[string][]string{} // bodies by Idempotency-Key
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		key := r.Header.Get("Idempotency-Key")
		arrived[key] = append(arrived[key], string(body))
	}))
	defer sink.Close()

	const n = 5
	r := p.Run("fetch", ``, tasktest.KillBeforeAck(3), tasktest.Concurrency(2))
	for i := range n {
		r.Send(map[string]string{"url": fmt.Sprint(site.URL, "/", i)})
	}
	r.Send(map[string]string{"url": site.URL + "/gone"}, tasktest.MessageID("gone"))
	r.Wait()
	r = r.Next()
	r.WaitHandled()
	pages := r.Emitted("pages")
	if dead := r.DeadLetters(); len(pages) != n || len(dead) != 1 || dead[0].ID != "gone" || dead[0].Reason != "permanent" {
		t.Fatalf("pages %v, dead letters %v", pages, dead)
	}
	r.Close(time.Second)

	f := p.Run("forward", fmt.Sprintf("to = %q", sink.URL), tasktest.KillBeforeAck(2))
	for _, m := range pages {
		f.Send(json.RawMessage(m.Value), tasktest.MessageID(m.ID))
	}
	f.Wait()
	f = f.Next()
	f.WaitHandled()
	if len(f.Acknowledged()) != n {
		t.Errorf("forwarded %v", f.Acknowledged())
	}
	f.Close(time.Second)
	mu.Lock()
	defer mu.Unlock()
	twice := 0
	for key, bodies := range arrived {
		if len(slices.Compact(bodies)) != 1 {
			t.Errorf("%s arrived as %q", key, bodies)
		}
		twice += len(arrived[key]) - 1
	}
	if len(arrived) != n || twice > 2 { // what the process had in its hands
		t.Errorf("%d pages arrived, %d times again; want %d, and 2 times at most", len(arrived), twice, n)
	}
}

// fromGuide is the fenced block that follows a mark.
func fromGuide(t *testing.T, mark string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/guide/plugin-authors.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "<!-- "+mark+" -->\n```go\n")
	source, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatalf("the guide has no block marked %q", mark)
	}
	return source + "\n"
}

// statements counts the lines that are neither blank nor part of the package clause and the imports.
func statements(source string) int {
	_, body, _ := strings.Cut(source, "\n)\n")
	n := 0
	for line := range strings.Lines(body) {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}

// buildSource builds the source of a main package as if it stood in this module.
func buildSource(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	here, err := filepath.Abs("testdata/guide/main.go")
	if err != nil {
		t.Fatal(err)
	}
	main, overlay, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "plugin")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{here: main}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{main: []byte(source), overlay: text} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-overlay", overlay, "-o", out, "./testdata/guide")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the plugin of the guide: %v\n%s", err, text)
	}
	return out
}
