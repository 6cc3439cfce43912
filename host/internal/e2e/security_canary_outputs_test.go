package e2e

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admintest"
)

// dataRoutes show what authors hand over.
var dataRoutes = []string{"/state", "/checkpoint", "/checkpoint/told", "/runs", "/v1/runs/", "/messages", "/v1/tasks"}

func isData(path string) bool {
	for _, part := range dataRoutes {
		if strings.Contains(path, part) && !strings.HasSuffix(path, "/logs") {
			return true
		}
	}
	return false
}

// apiOutputs are all routes that read, in every form, for every task.
func (c canary) apiOutputs() (all []output) {
	c.t.Helper()
	for _, name := range []string{"tell.log", "tell.error", "tell.panic", "tell.crash", "tell.config", "tell.skip", "turn", "hand"} {
		for _, r := range everyRoute(c.t, c.addr, c.token, func(part string) string {
			return map[string]string{"task": name, "run": c.run, "plugin": "leaky", "key": "told", "queue": "tales", "method": "m", "id": "a", "token": "canary", "generation": "1", "profile": "goroutine"}[part]
		}) {
			if r.method != "GET" || r.path == "/v1/events" {
				continue
			}
			for _, accept := range []string{"application/json", "text/plain", "text/event-stream"} {
				all = append(all, c.got(r.path, isData(r.path), map[string]string{"Authorization": "Bearer " + c.token, "Accept": accept}))
			}
		}
	}
	for _, path := range []string{"/readyz?verbose", "/v1/config/generations/2", "/v1/config/generations/1/diff?to=2", "/v1/events?since=1h&follow=0"} {
		all = append(all, c.got(path, false, map[string]string{"Authorization": "Bearer " + c.token}))
	}
	return append(all, output{"the events", false, func() []byte { return replayed(c.t, c.addr, c.token) }})
}

// got is the answer to a request that reads.
func (c canary) got(path string, data bool, header map[string]string) output {
	return output{"GET " + path + " as " + header["Accept"], data, func() []byte {
		_, head, body := ask(c.t, c.addr, "GET", path, nil, header)
		return append(body, headText(head)...)
	}}
}

// pageOutputs are what a browser with the page asks for: files, the login, and the API with a session.
func (c canary) pageOutputs() []output {
	c.t.Helper()
	status, head, body := ask(c.t, c.addr, "POST", "/ui/login", []byte(`{"token":"`+c.token+`"}`), map[string]string{"Content-Type": "application/json"})
	if status != http.StatusNoContent {
		c.t.Fatalf("login: %d %s", status, body)
	}
	cookie, _, _ := strings.Cut(head.Get("Set-Cookie"), ";")
	all := []output{{"the answer to a login", false, func() []byte { return headText(head) }}}
	for _, path := range []string{"/ui/", "/ui/main.js", "/v1/whoami", "/v1/host", "/v1/queues", "/v1/tasks/tell.error/schedule?limit=5", "/v1/tasks/tell.panic/slots?limit=20", "/v1/tasks/tell.crash/logs?tail=500", "/v1/tasks/hand/logs?tail=500"} {
		all = append(all, c.got(path, false, map[string]string{"Cookie": cookie}))
	}
	for _, path := range []string{"/v1/tasks?limit=500", "/v1/tasks/hand", "/v1/tasks/hand/runs?limit=50", "/v1/tasks/tell.crash/runs?limit=50", "/v1/runs/" + c.run, "/v1/tasks/hand/state", "/v1/queues/tales/messages?limit=20"} {
		all = append(all, c.got(path, true, map[string]string{"Cookie": cookie}))
	}
	return all
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

// said is a command line. What it prints is data where authors' own data may be in it.
type said struct {
	args string
	data bool
	code int
}

// commandLines are what the command line prints; each of its commands has a row here, or stands in quiet.
var commandLines = []said{
	{"audit -n 500", false, 0}, {"audit -json -n 500", false, 0},
	{"config generations", false, 0}, {"config generations -json", false, 0}, {"config diff 1 2", false, 0}, {"config diff 1 2 -json", false, 0},
	{"config show 1", false, 0}, {"config show 2 -json", false, 0}, {"config rollback 1 -dry-run", false, 0}, {"config rollback 1 -dry-run -json", false, 0},
	{"events -since 1h -follow=false", false, 0}, {"events -since 1h -follow=false -json", false, 0},
	{"explain tell.config -all", false, 0}, {"explain hand -all -json", false, 0},
	{"fmt -check config.hcl", false, 1},
	{"host status", false, 0}, {"host status -json", false, 0}, {"host pause -json", false, 0}, {"host drain -json", false, 0}, {"host resume -json", false, 0},
	{"logs tell.log", false, 0}, {"logs tell.crash -json", false, 0}, {"logs tell.config", false, 0}, {"logs turn -json", false, 0}, {"logs hand", false, 0},
	{"next -n 20", false, 0}, {"next -c config.hcl -n 20", false, 0},
	{"notifiers list", false, 0}, {"notifiers test ops", false, 3},
	{"plugin describe leaky", false, 0}, {"plugin hash plugins/leaky", false, 0}, {"plugin list -json", false, 0}, {"plugin lock", false, 0}, {"plugin verify", false, 0},
	{"queue list", false, 0}, {"queue list -json", false, 0}, {"queue show tales -json", false, 0}, {"queue peek tales", true, 0}, {"queue dead tales", true, 0},
	{"queue redrive tales -all -json", false, 0}, {"queue purge tales -yes tales -json", false, 0}, {"queue post tales {} -json", false, 0},
	{"runs list", true, 0}, {"runs list -json", true, 0},
	{"status", true, 0}, {"status -json", true, 0},
	{"store info", false, 0}, {"store info -json", false, 0}, {"store check", false, 0}, {"store backup copy.db", false, 0}, {"store backup -force copy.db -json", false, 0},
	{"store restore -data-dir elsewhere copy.db -json", false, 0}, {"store info -data-dir elsewhere", false, 0},
	{"task list", true, 0}, {"task show hand -json", true, 0}, {"task show tell.panic", false, 0}, {"task show tell.crash -json", false, 0}, {"task show tell.config -json", false, 0},
	{"task state hand", true, 0}, {"task checkpoint hand", true, 0}, {"task schedule turn -json", false, 0}, {"task slots turn", false, 0}, {"task overrides turn", false, 0},
	{"task pause turn -json", false, 0}, {"task resume turn -json", false, 0}, {"task stop turn -json", false, 0}, {"task start turn -json", false, 0}, {"task restart turn -json", false, 0},
	{"task reset turn -json", false, 0}, {"task wait turn -until idle -json", false, 0}, {"task run tell.error -wait 30s", false, 1}, {"task run tell.panic -wait 30s -json", false, 1},
	{"token list", false, 0}, {"token list -json", false, 0}, {"token revoke canary -json", false, 0},
	{"validate", false, 0}, {"validate -json", false, 0}, {"version", false, 0},
}

// toPlugin is why the commands of scripts have no row here.
const toPlugin = "speaks to the plugin that runs the script, and has what the script says"

// quiet are the commands that have no row here, and why.
var quiet = map[string]string{
	"completion bash": "knows no host", "completion fish": "knows no host", "completion powershell": "knows no host", "completion zsh": "knows no host", "help": "knows no host",
	"import crontab": "reads files of others, and knows no host", "import supervisord": "reads files of others, and knows no host", "import systemd": "reads files of others, and knows no host",
	"dev": "its output is that of serve and of logs, which are looked at", "init": "writes a template, and knows no host", "plugin new": "writes templates, and knows no host",
	"notify beat": toPlugin, "notify delete": toPlugin, "notify emit": toPlugin, "notify extend": toPlugin, "notify load": toPlugin, "notify progress": toPlugin,
	"notify ready": toPlugin, "notify save": toPlugin, "notify state": toPlugin, "notify status": toPlugin,
	"serve": "its output is looked at as a whole", "host shutdown": "ends the host, which says so in its output",
	"runs cancel": "answers with the run, as runs show does", "runs retry": "answers with the run, as runs show does", "runs timeout": "answers with the run, as runs show does",
	"plan": "has rows in turnOver", "reload": "has rows in turnOver", "doctor": "has rows in turnOver", "support": "its archive is looked at, file by file",
	"token create": "prints a token, this once",
	"task cancel":  "answers with the task, as task stop does", "task backfill": "answers with names of slots", "task call": "answers with what the author hands over",
}

// command is what a command line prints, on both of its streams.
func (c canary) command(args string, data bool, code int) output {
	return output{"taskhost " + args, data, func() []byte {
		out, got := cliWith(c.t, c.h.Dir, canaryEnv, strings.Fields(args)...)
		if got != code {
			c.t.Errorf("taskhost %s: exit %d, want %d: %s", args, got, code, out)
		}
		return []byte(out)
	}}
}

func (c canary) commandOutputs() (all []output) {
	all = append(all, c.command("runs show "+c.run+" -json", true, 0), c.command("-addr "+c.addr+" -token-file data/admin.token audit -json", false, 0))
	for _, s := range commandLines {
		all = append(all, c.command(s.args, s.data, s.code))
	}
	return append(all, output{"the lock file", false, func() []byte { return readAll(c.t, filepath.Join(c.h.Dir, "taskhost.lock.json")) }})
}

func readAll(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	return text
}

// heading is one of a command in the reference, which a test keeps current.
var heading = regexp.MustCompile("(?m)^##+ `taskhost ([a-z ]+)`$")

func TestEveryCommandIsLookedThroughForSecrets(t *testing.T) {
	t.Parallel()
	var names []string
	for _, m := range heading.FindAllStringSubmatch(string(readAll(t, "../../../docs/reference/cli.md")), -1) {
		names = append(names, m[1])
	}
	if len(names) < 50 {
		t.Fatalf("the reference names %d commands", len(names))
	}
	below := func(name string) func(string) bool {
		return func(other string) bool { return strings.HasPrefix(other, name+" ") }
	}
	for _, name := range names {
		row := slices.ContainsFunc(commandLines, func(s said) bool { return s.args == name || strings.HasPrefix(s.args, name+" ") })
		if name == "runs show" || row || slices.ContainsFunc(names, below(name)) {
			continue
		}
		if quiet[name] == "" {
			t.Errorf("taskhost %s has no row among the outputs that are looked through for secrets", name)
		}
	}
	for name := range quiet {
		if !slices.Contains(names, name) {
			t.Errorf("there is no command %s", name)
		}
	}
}

// archive is all that stands in an archive for support.
func (c canary) archive() output {
	return output{"the archive for support", false, func() []byte {
		said := c.command("support help.tar.gz", false, 0).read()
		z, err := gzip.NewReader(bytes.NewReader(readAll(c.t, filepath.Join(c.h.Dir, "help.tar.gz"))))
		if err != nil {
			c.t.Fatal(err)
		}
		var names []string
		for r := tar.NewReader(z); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				c.t.Fatal(err)
			}
			names = append(names, h.Name)
			text, err := io.ReadAll(r)
			if err != nil {
				c.t.Fatal(err)
			}
			said = append(append(said, h.Name+"\n"...), text...)
		}
		if all := strings.Join(names, " "); !strings.Contains(all, "goroutines.txt") || !strings.Contains(all, "logs/tell.crash.jsonl") || strings.Contains(string(said), "not in it") {
			c.t.Errorf("the archive holds %s", all)
		}
		return said
	}}
}

// fileOutputs are what lies in the data directory. The store holds what authors handed over, and admin.token is
// the one place of the admin's token.
func (c canary) fileOutputs() (all []output) {
	c.t.Helper()
	err := filepath.WalkDir(c.h.DataDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == "admin.token" || strings.HasPrefix(path, filepath.Join(c.h.DataDir, "run")) {
			return err
		}
		if info, err := e.Info(); err != nil || info.Size() == 0 {
			return err
		}
		all = append(all, output{path, strings.HasPrefix(e.Name(), "taskhost.db"), func() []byte { return readAll(c.t, path) }})
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return append(all, output{"the backup", true, func() []byte { return readAll(c.t, filepath.Join(c.h.Dir, "copy.db")) }})
}
