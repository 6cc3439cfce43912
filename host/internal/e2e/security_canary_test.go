package e2e

import (
	"bufio"
	"bytes"
	"context"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

const leakyPlugin = "host/internal/e2e/leaky"

// Secrets that the plugin tells as words, and those that it hands over as data.
var (
	told   = []string{"canary-told-by-config-5d1e", "canary-told-by-environment-8a44"}
	handed = []string{"canary-handed-over-config-2b90", "canary-handed-over-environment-c7f3"}
)

const leaks = `
queue "tales" {}

task "tell" {
  for_each = toset(["log", "error", "permanent", "unhealthy", "skip", "panic", "crash"])
  plugin   = "leaky"
  env      = { FROM_TASK = secret("env:TOLD_ENV") }
  on_demand {}
  output "out" {
    queue = "tales"
  }
  config {
    token = secret("env:TOLD_CONFIG")
    how   = each.key
  }
}

task "hand" {
  plugin = "leaky"
  env    = { FROM_TASK = secret("env:HANDED_ENV") }
  on_demand {}
  output "out" {
    queue = "tales"
  }
  config {
    token = secret("env:HANDED_CONFIG")
    how   = "data"
  }
}
`

// An output is something that a host gives out. What is the author's own data may be in it where data says so:
// results, published values, checkpoints and messages are kept as he gave them.
type output struct {
	name string
	data bool
	read func() []byte
}

// dataRoutes show what authors hand over.
var dataRoutes = []string{"/state", "/checkpoint", "/checkpoint/told", "/runs", "/v1/runs/", "/messages", "/v1/tasks"}

func TestNoOutputHoldsASecret(t *testing.T) {
	t.Parallel()
	h, addr, token := overTCP(t, leaks, admintest.Options{Plugins: []string{leakyPlugin}, Env: []string{
		"TOLD_CONFIG=" + told[0], "TOLD_ENV=" + told[1], "HANDED_CONFIG=" + handed[0], "HANDED_ENV=" + handed[1],
	}})
	text, made := newToken(t, h, admin.NewToken{Name: "canary", Role: "operator", Reason: "to be looked for"})
	never := append([]string{text, strings.TrimPrefix(text, "th_"), token}, told...)
	for _, how := range []string{"log", "error", "permanent", "unhealthy", "skip", "panic", "crash"} {
		tellOverTCP(t, addr, text, "tell."+how)
	}
	tellOverTCP(t, addr, text, "hand")
	run := h.UntilRun("hand", "succeeded").ID
	if made.ID == "" || !strings.Contains(string(get(t, addr, token, "/v1/tasks/hand/checkpoint", "")), handed[0]) {
		t.Error("the canary is not where it belongs: the test finds nothing")
	}
	all := append(apiOutputs(t, addr, token, run), commandOutputs(t, h, addr)...)
	for _, o := range append(all, fileOutputs(t, h)...) {
		got := o.read()
		for _, secret := range never {
			notIn(t, o.name, got, secret)
		}
		if !o.data {
			for _, secret := range handed {
				notIn(t, o.name, got, secret)
			}
		}
	}
	if code := h.Stop(); code != 0 {
		t.Errorf("the host ended with %d", code)
	}
	for _, secret := range append(never, handed...) {
		notIn(t, "the host's output", []byte(h.Output()), secret)
	}
}

func notIn(t *testing.T, where string, text []byte, secret string) {
	t.Helper()
	if at := bytes.Index(text, []byte(secret)); at >= 0 {
		t.Errorf("%s holds %s: …%s…", where, secret, text[max(0, at-120):min(len(text), at+60)])
	}
}

func newToken(t *testing.T, h *admintest.Host, n admin.NewToken) (string, admin.Token) {
	t.Helper()
	made, err := h.CreateToken(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return made.Secret, made.Token
}

func tellOverTCP(t *testing.T, addr, token, name string) {
	t.Helper()
	status, _, body := ask(t, addr, "POST", "/v1/tasks/"+name+"/runs?wait=30s", nil, map[string]string{"Authorization": "Bearer " + token})
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", name, status, body)
	}
}

func get(t *testing.T, addr, token, path, accept string) []byte {
	t.Helper()
	_, _, body := ask(t, addr, "GET", path, nil, map[string]string{"Authorization": "Bearer " + token, "Accept": accept})
	return body
}

// apiOutputs are all routes that read, in every form, for every task.
func apiOutputs(t *testing.T, addr, token, run string) (all []output) {
	t.Helper()
	for _, name := range []string{"tell.log", "tell.error", "tell.panic", "tell.crash", "tell.skip", "hand"} {
		for _, r := range everyRoute(t, addr, token, func(part string) string {
			return map[string]string{"task": name, "run": run, "plugin": "leaky", "key": "told", "queue": "tales", "method": "m", "id": "a", "token": "canary"}[part]
		}) {
			if r.method != "GET" || r.path == "/v1/events" {
				continue
			}
			for _, accept := range []string{"application/json", "text/plain", "text/event-stream"} {
				all = append(all, output{"GET " + r.path + " as " + accept, isData(r.path), func() []byte { return get(t, addr, token, r.path, accept) }})
			}
		}
	}
	return append(all, output{"the events", false, func() []byte { return replayed(t, addr, token) }})
}

func isData(path string) bool {
	for _, part := range dataRoutes {
		if strings.Contains(path, part) && !strings.HasSuffix(path, "/logs") {
			return true
		}
	}
	return false
}

// replayed is all that the stream of events still knows, up to the first silence.
func replayed(t *testing.T, addr, token string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), admintest.Bound)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/v1/events?last_event_id=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	quiet := time.AfterFunc(2*time.Second, cancel)
	var got bytes.Buffer
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		quiet.Reset(500 * time.Millisecond)
		got.Write(lines.Bytes())
	}
	if got.Len() == 0 {
		t.Error("no event came again")
	}
	return got.Bytes()
}

// commandOutputs are what the command line prints.
func commandOutputs(t *testing.T, h *admintest.Host, addr string) (all []output) {
	for _, c := range []struct {
		data bool
		args string
	}{
		{true, "status"}, {true, "status -json"}, {false, "host status -json"}, {false, "token list"}, {false, "token list -json"},
		{false, "audit -n 500"}, {false, "audit -json -n 500"}, {true, "runs list"}, {true, "runs list -json"}, {false, "plugin describe leaky"},
		{true, "task show hand -json"}, {false, "task show tell.panic"}, {false, "task show tell.crash -json"}, {false, "logs tell.log"}, {false, "logs tell.crash -json"},
		{false, "logs hand"}, {false, "queue list -json"}, {false, "store info"}, {false, "store check"}, {false, "validate -json"}, {false, "-addr " + addr + " audit -json"},
	} {
		all = append(all, output{"taskhost " + c.args, c.data, func() []byte {
			out, code := cliWith(t, h.Dir, []string{"TOLD_CONFIG=" + told[0], "TOLD_ENV=" + told[1], "HANDED_CONFIG=" + handed[0], "HANDED_ENV=" + handed[1]}, strings.Fields(c.args)...)
			if code != 0 {
				t.Errorf("taskhost %s: exit %d: %s", c.args, code, out)
			}
			return []byte(out)
		}})
	}
	return all
}

// fileOutputs are what lies in the data directory. The store holds what authors handed over, and admin.token is
// the one place of the admin's token.
func fileOutputs(t *testing.T, h *admintest.Host) (all []output) {
	t.Helper()
	err := filepath.WalkDir(h.DataDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "admin.token" || strings.HasPrefix(path, filepath.Join(h.DataDir, "run")) {
			return err
		}
		all = append(all, output{path, strings.HasPrefix(e.Name(), "taskhost.db"), func() []byte {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Error(err)
			}
			return text
		}})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
