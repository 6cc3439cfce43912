package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// needs skips a test whose daemon is not on this machine.
func needs(t *testing.T, program string) {
	t.Helper()
	if _, err := os.Stat(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
}

// untilStopped stops a task gracefully. Its run must have ended well, with a last word as its status.
func untilStopped(t *testing.T, h *admintest.Host, task, phase string) {
	t.Helper()
	r, done, err := h.Client.Stop(t.Context(), task, admin.Verb{}, 50*time.Second)
	if err != nil || !done {
		t.Fatalf("%s does not stop: %v, %+v", task, err, r)
	}
	runs, err := h.Runs(t.Context(), admin.RunQuery{Tasks: []string{task}, Limit: 1})
	if err != nil || len(runs.Items) != 1 || runs.Items[0].Outcome != "succeeded" {
		t.Fatalf("%s ended with %+v, %v", task, runs.Items, err)
	}
	if phase != "" && !strings.Contains(stateOf(t, h, task), phase) {
		t.Errorf("the state of %s is %s, want %q in it", task, stateOf(t, h, task), phase)
	}
}

// stateOf is everything that the task has published, as JSON.
func stateOf(t *testing.T, h *admintest.Host, task string) string {
	t.Helper()
	s, err := h.State(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// untilReady waits until the task is ready because its daemon has said so.
func untilReady(t *testing.T, h *admintest.Host, task string) {
	t.Helper()
	untilTask(h, task, "is ready", func(t admin.Task) bool { return t.Ready })
	h.Until(task+" says its phase", func(ctx context.Context) error {
		s, err := h.State(ctx, task)
		if text, _ := json.Marshal(s); err == nil && !strings.Contains(string(text), `"ready"`) {
			err = fmt.Errorf("its state is %s", text)
		}
		return err
	})
}

// wantStatus fails the test unless the text that the daemon gave last is the state "status", and the note of the task and of its run.
func wantStatus(t *testing.T, h *admintest.Host, task, text string) {
	t.Helper()
	var state, note, run string
	h.Until(task+" shows its status", func(ctx context.Context) error {
		state = stateOf(t, h, task)
		one, err := h.Task(ctx, task)
		if err != nil {
			return err
		}
		note = one.Note
		runs, err := h.Runs(ctx, admin.RunQuery{Tasks: []string{task}, Limit: 1})
		if err != nil || len(runs.Items) != 1 || runs.Items[0].Progress == nil {
			return fmt.Errorf("runs %+v, %v", runs.Items, err)
		}
		run = runs.Items[0].Progress.Note
		for _, has := range []string{state, note, run} {
			if !strings.Contains(has, text) {
				return fmt.Errorf("the state is %s, the task's note %q, the run's %q", state, note, run)
			}
		}
		return nil
	})
}

func TestRedisReportsReadinessAndStatus(t *testing.T) {
	t.Parallel()
	needs(t, "/usr/bin/redis-server")
	h := scripted(t, shown(t, "hcl", `task "redis"`)[0], map[string]string{"redis.conf": "port 0\nunixsocket redis.sock\nsave \"\"\n"})
	untilReady(t, h, "redis")
	c, err := net.Dial("unix", relative(t, filepath.Join(h.Dir, "redis.sock")))
	if err != nil {
		t.Fatal("it is ready and takes no connection:", err)
	}
	c.Close()
	wantStatus(t, h, "redis", "Ready to accept connections")
	untilStopped(t, h, "redis", "stopping")
}

func TestHAProxyReportsReadinessAndEndsSoftly(t *testing.T) {
	t.Parallel()
	needs(t, "/usr/sbin/haproxy")
	address := freePort(t)
	config := "defaults\n  mode http\n  timeout client 5s\n  timeout server 5s\n  timeout connect 5s\nfrontend f\n  bind " + address + "\n  http-request return status 200\n"
	h := scripted(t, shown(t, "hcl", `task "haproxy"`)[0], map[string]string{"haproxy.cfg": config})
	untilReady(t, h, "haproxy")
	r, err := http.Get("http://" + address)
	if err != nil {
		t.Fatal("it is ready and does not answer:", err)
	}
	r.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	untilStopped(t, h, "haproxy", "stopping")
}

func TestGunicornReportsReadinessAndStatus(t *testing.T) {
	t.Parallel()
	needs(t, "/usr/bin/gunicorn")
	app := "def application(environ, start):\n    start('200 OK', [])\n    return [b'hello']\n"
	h := scripted(t, shown(t, "hcl", `task "gunicorn"`)[0], map[string]string{"app.py": app})
	untilReady(t, h, "gunicorn")
	socket := relative(t, filepath.Join(h.Dir, "gunicorn.sock"))
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	r, err := (&http.Client{Transport: transport, Timeout: 30 * time.Second}).Get("http://gunicorn/") // a worker answers
	if err != nil {
		t.Fatal("it is ready and does not answer:", err)
	}
	r.Body.Close()
	wantStatus(t, h, "gunicorn", "Gunicorn arbiter booted")
	untilStopped(t, h, "gunicorn", "")
}

func TestPostgreSQLReportsReadiness(t *testing.T) {
	t.Parallel()
	const bin = "/usr/lib/postgresql/15/bin/"
	needs(t, bin+"postgres")
	account, err := user.Lookup("postgres")
	if os.Geteuid() != 0 || err != nil {
		t.Skip("needs root and the user postgres")
	}
	dir := passableDir(t)
	data := filepath.Join(dir, "pgdata")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	if err := os.Chown(data, uid, gid); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "setpriv", "--reuid", account.Uid, "--regid", account.Gid, "--clear-groups", "--reset-env",
		bin+"initdb", "-D", data, "--no-sync", "-A", "trust").CombinedOutput()
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	hcl := strings.Replace(shown(t, "hcl", `task "postgres"`)[0], `"pgdata"]`, `"pgdata", "-h", "", "-k", "`+data+`", "-F"]`, 1)
	hosts <- struct{}{}
	t.Cleanup(func() { <-hosts })
	h := admintest.Start(t, admintest.Options{HCL: patient + hcl, Plugins: []string{"plugins/exec"}, Dir: dir})
	untilReady(t, h, "postgres")
	out, err = exec.CommandContext(t.Context(), bin+"psql", "-h", data, "-U", "postgres", "-Atc", "select 6*7").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "42" {
		t.Errorf("it is ready and says %s, %v", out, err)
	}
	untilStopped(t, h, "postgres", "stopping")
}

// relative is a path from here, which is short enough for a socket.
func relative(t *testing.T, path string) string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	short, err := filepath.Rel(here, path)
	if err != nil || len(short) > len(path) {
		return path
	}
	return short
}
