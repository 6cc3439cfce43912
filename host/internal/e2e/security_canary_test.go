package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

const leakyPlugin = "host/internal/e2e/leaky"

// Secrets that the plugin tells as words, those that it hands over as data, and those of a task whose secret is
// changed while the host runs.
var (
	told   = []string{"canary-told-by-config-5d1e", "canary-told-by-environment-8a44"}
	handed = []string{"canary-handed-over-config-2b90", "canary-handed-over-environment-c7f3"}
	turned = []string{"canary-turned-before-61d2", "canary-turned-after-f08b"}
)

var canaryEnv = []string{"TOLD_CONFIG=" + told[0], "TOLD_ENV=" + told[1], "HANDED_CONFIG=" + handed[0], "HANDED_ENV=" + handed[1]}

const leaks = `
queue "tales" {}

task "tell" {
  for_each = toset(["log", "error", "permanent", "unhealthy", "skip", "panic", "crash", "config"])
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

task "turn" {
  plugin = "leaky"
  env    = { FROM_TASK = secret("file:turn.secret") }
  on_demand {}
  output "out" {
    queue = "tales"
  }
  config {
    token = secret("file:turn.secret")
    how   = "log"
  }
}
`

// broken has errors beside secrets.
const broken = `
task "broken" {
  plugin = "leaky"
  env    = { "A B" = secret("file:turn.secret") }
  labels = secret("env:TOLD_CONFIG")
  on_demand {}
  config {
    token  = secret("env:TOLD_ENV")
    tokens = secret("env:TOLD_ENV")
    how    = { a = secret("file:turn.secret") }
  }
}
`

func TestNoOutputHoldsASecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	turn(t, dir, turned[0])
	h, addr, token := overTCP(t, leaks, admintest.Options{Dir: dir, Plugins: []string{leakyPlugin}, Env: canaryEnv})
	text, made := newToken(t, h, admin.NewToken{Name: "canary", Role: "operator", Reason: "to be looked for"})
	c := canary{t: t, h: h, addr: addr, token: token, never: append([]string{text, strings.TrimPrefix(text, "th_"), token}, append(told, turned...)...)}
	for _, how := range []string{"log", "error", "permanent", "unhealthy", "skip", "panic", "crash", "config"} {
		tellOverTCP(t, addr, text, "tell."+how)
	}
	tellOverTCP(t, addr, text, "turn")
	tellOverTCP(t, addr, text, "hand")
	c.run = h.UntilRun("hand", "succeeded").ID
	if made.ID == "" || !strings.Contains(string(get(t, addr, token, "/v1/tasks/hand/checkpoint", "")), handed[0]) {
		t.Error("the canary is not where it belongs: the test finds nothing")
	}
	c.turnOver()
	tellOverTCP(t, addr, text, "turn")
	c.look(c.apiOutputs())
	c.look(c.pageOutputs())
	c.look(c.commandOutputs())
	c.look([]output{c.archive()})
	c.look(c.fileOutputs())
	if code := h.Stop(); code != 0 {
		t.Errorf("the host ended with %d", code)
	}
	c.look([]output{{"the host's output", false, func() []byte { return []byte(h.Output()) }}})
}

// canary is one host whose outputs are looked through.
type canary struct {
	t           *testing.T
	h           *admintest.Host
	addr, token string // the admin's
	run         string // that handed secrets over
	never       []string
}

// An output is something that a host gives out. What is the author's own data may be in it where data says so:
// results, published values, checkpoints and messages are kept as he gave them.
type output struct {
	name string
	data bool
	read func() []byte
}

// look reads outputs, and finds no secret in them.
func (c canary) look(all []output) {
	c.t.Helper()
	if len(all) == 0 {
		c.t.Error("nothing was looked at")
	}
	for _, o := range all {
		got := o.read()
		if len(got) == 0 {
			c.t.Errorf("%s is empty", o.name)
		}
		for _, secret := range c.never {
			notIn(c.t, o.name, got, secret)
		}
		for _, secret := range handed {
			if !o.data {
				notIn(c.t, o.name, got, secret)
			}
		}
	}
}

// turn changes the secret of the task turn.
func turn(t *testing.T, dir, secret string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "turn.secret"), []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// turnOver plans and applies another secret, and looks at what is said of it and of a file with errors.
func (c canary) turnOver() {
	c.t.Helper()
	turn(c.t, c.h.Dir, turned[1])
	c.look([]output{
		c.command("plan", false, 0), c.command("plan -json", false, 0),
		c.posted("/v1/config/plan", "{}", http.StatusOK),
	})
	if plan := string(c.posted("/v1/config/plan", "{}", http.StatusOK).read()); !strings.Contains(plan, `"task":"turn","change":"restart"`) || !strings.Contains(plan, `"old":"***","new":"***"`) {
		c.t.Errorf("the plan does not see the other secret: %s", plan)
	}
	path := filepath.Join(c.h.Dir, "config.hcl")
	well, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	write(string(well) + broken)
	c.look([]output{
		c.command("plan", false, 1), c.command("plan -json", false, 1), c.command("reload", false, 1), c.command("validate", false, 1), c.command("validate -json", false, 1),
		c.posted("/v1/config/plan", "{}", http.StatusUnprocessableEntity), c.posted("/v1/config/apply", "{}", http.StatusUnprocessableEntity),
		c.command("config show", false, 0), c.command("config show -json", false, 0), c.command("doctor", false, 1),
	})
	write(string(well))
	c.look([]output{c.command("reload -json", false, 0), c.posted("/v1/config/apply", "{}", http.StatusOK)})
}

// posted is the answer to a request for a change.
func (c canary) posted(path, body string, want int) output {
	return output{"POST " + path, false, func() []byte {
		status, head, answer := ask(c.t, c.addr, "POST", path, []byte(body), map[string]string{"Authorization": "Bearer " + c.token, "Content-Type": "application/json"})
		if status != want {
			c.t.Errorf("POST %s: %d %s", path, status, answer)
		}
		return append(answer, headText(head)...)
	}}
}

func headText(head http.Header) []byte {
	text, _ := json.Marshal(head) // plain strings
	return text
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
