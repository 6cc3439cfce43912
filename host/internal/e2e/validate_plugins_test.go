package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// class is the class of a run's error, "" without one.
func class(r admin.Run) string {
	if r.Error == nil {
		return ""
	}
	return r.Error.Class
}

// untilLogged waits until a command of the task has written the line, and returns its run.
func untilLogged(t *testing.T, h *admintest.Host, name, line string) (run string) {
	t.Helper()
	ctx, end := context.WithTimeout(t.Context(), admintest.Bound)
	defer end()
	for l, err := range h.Logs(ctx, admin.LogQuery{Task: name, Tail: 1000, Follow: true}) {
		if err != nil {
			t.Fatalf("the log of %s has no line %q: %v", name, line, err)
		}
		if l.Message == line && l.Stream == "stdout" {
			return l.Run
		}
	}
	t.Fatalf("the log of %s has no line %q", name, line)
	return ""
}

// logOf is the log of a run, a line each: level, stream, message.
func logOf(t *testing.T, h *admintest.Host, run string) string {
	t.Helper()
	var out strings.Builder
	for l, err := range h.Logs(t.Context(), admin.LogQuery{Run: run, Tail: 10_000}) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %s %s\n", l.Level, l.Stream, l.Message)
	}
	return out.String()
}

const commands = `
defaults {
  stop {
    drain  = "10s"
    cancel = "4s"
  }
}

task "shell" {
  plugin = "exec"
  on_demand {}
  config {
    shell  = "cat >got; echo to stdout; echo to stderr >&2; echo \"{\\\"run\\\":\\\"$TASKHOST_RUN\\\"}\""
    input  = "stdin"
    result = "json"
  }
}

task "codes" {
  for_each = { ok = 0, three = 3, skip = 4, permanent = 5 }
  plugin   = "exec"
  on_demand {}
  retry {
    attempts = 2
    backoff  = "1ms"
  }
  config {
    command = ["sh", "-c", "echo last words; exit ${each.value}"]
    exit_codes {
      skip      = [4]
      permanent = [5]
    }
  }
}

task "big" {
  plugin = "exec"
  on_demand {}
  config {
    shell = "i=0; while [ $i -lt 2000 ]; do echo line $i of many; i=$((i+1)); done; head -c 300000 /dev/zero | tr '\\0' x; echo; echo the end"
  }
}

task "absent" {
  plugin = "exec"
  on_demand {}
  config {
    command = ["/no/such/program"]
  }
}

task "daemon" {
  plugin = "exec"
  continuous {}
  config {
    shell = "trap 'echo finishing; exit 0' TERM; echo up; while :; do sleep 0.05; done"
  }
}

# Its command leaves children in sessions of their own, which hold its output.
task "parent" {
  plugin = "exec"
  on_demand {}
  config {
    shell = "setsid sleep 987654 & (setsid setsid sleep 987654 &) ; echo parent done"
  }
}

task "stubborn" {
  plugin = "exec"
  on_demand {}
  stop {
    drain  = "100ms"
    cancel = "1s"
  }
  config {
    shell = "trap '' TERM INT HUP; echo deaf; while :; do sleep 0.05; done"
  }
}
`

func TestCommandsInALiveHost(t *testing.T) {
	t.Parallel()
	h := admintest.Start(t, admintest.Options{HCL: commands, Plugins: []string{"plugins/exec"}})

	t.Run("input, output and result", func(t *testing.T) {
		ended := run(t, h, "shell", admin.RunRequest{Input: json.RawMessage(`{"name":"Ada"}`)})
		if ended.Outcome != "succeeded" || string(ended.Result) != fmt.Sprintf(`{"run":%q}`, ended.ID) {
			t.Errorf("%s %s %+v", ended.Outcome, ended.Result, ended.Error)
		}
		if got, err := os.ReadFile(filepath.Join(h.Dir, "got")); err != nil || string(got) != `{"name":"Ada"}`+"\n" {
			t.Errorf("it read %q, %v", got, err)
		}
		for _, want := range []string{"info stdout to stdout\n", "info stderr to stderr\n"} {
			if text := logOf(t, h, ended.ID); !strings.Contains(text, want) {
				t.Errorf("the log lacks %q: %s", want, text)
			}
		}
	})
	t.Run("exit codes", func(t *testing.T) {
		for key, want := range map[string]struct {
			outcome, class string
			attempts       int
		}{
			"ok": {"succeeded", "", 1}, "three": {"failed", "error", 2}, "skip": {"skipped", "", 1}, "permanent": {"failed", "permanent", 1},
		} {
			ended := run(t, h, "codes."+key, admin.RunRequest{})
			if ended.Outcome != want.outcome || class(ended) != want.class || len(ended.Attempts) != want.attempts {
				t.Errorf("%s: %s %q after %d attempts (%+v), want %+v", key, ended.Outcome, class(ended), len(ended.Attempts), ended.Error, want)
			}
			if want.class != "" && !strings.Contains(ended.Error.Message, "last words") {
				t.Errorf("%s: %s", key, ended.Error.Message)
			}
		}
	})
	t.Run("much output", func(t *testing.T) {
		ended := run(t, h, "big", admin.RunRequest{})
		if ended.Outcome != "succeeded" {
			t.Errorf("%s %+v", ended.Outcome, ended.Error)
		}
		h.Until("the whole output is in the log", func(context.Context) error { // it takes another way than the result
			text := logOf(t, h, ended.ID)
			if !strings.Contains(text, "line 1999 of many") || !strings.Contains(text, "the end\n") {
				return fmt.Errorf("%d bytes of it are", len(text))
			}
			return nil
		})
	})
	t.Run("no such program", func(t *testing.T) {
		ended := run(t, h, "absent", admin.RunRequest{})
		if ended.Outcome != "failed" || class(ended) != "permanent" || !strings.Contains(ended.Error.Message, "/no/such/program") {
			t.Errorf("%s %+v", ended.Outcome, ended.Error)
		}
	})
	t.Run("a graceful stop", func(t *testing.T) {
		h.UntilState("daemon", "running")
		live := untilLogged(t, h, "daemon", "up")
		result, done, err := h.Client.Stop(t.Context(), "daemon", admin.Verb{}, admintest.Bound)
		if err != nil || !done {
			t.Fatalf("%+v %v %v", result, done, err)
		}
		ended, err := h.Run(t.Context(), live, 0)
		if err != nil || ended.Stop == nil || ended.Stop.EndedIn != "drain" {
			t.Errorf("%s %+v %+v %v", ended.Outcome, ended.Stop, ended.Error, err)
		}
		if text := logOf(t, h, live); !strings.Contains(text, "finishing") {
			t.Errorf("the command saw no signal: %s", text)
		}
	})
	t.Run("children left behind", func(t *testing.T) {
		ended := run(t, h, "parent", admin.RunRequest{})
		if ended.Outcome != "succeeded" {
			t.Errorf("%s %+v", ended.Outcome, ended.Error)
		}
		h.Until("no child is left", func(context.Context) error {
			for _, pid := range processesOf(h) {
				if argv, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); strings.Contains(string(argv), "987654") {
					return fmt.Errorf("process %d is", pid)
				}
			}
			return nil
		})
	})
	t.Run("a command that hears no signal", func(t *testing.T) {
		begun, err := h.StartRun(t.Context(), "stubborn", admin.RunRequest{}, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		untilLogged(t, h, "stubborn", "deaf")
		result, done, err := h.CancelRun(t.Context(), begun.ID, admin.Verb{}, admintest.Bound)
		if err != nil || !done || result.Run.Outcome != "cancelled" {
			t.Errorf("%+v %v %v", result, done, err)
		}
	})
}

// site is a certificate of 127.0.0.1 that lasts until the time, and the file that trusts it.
func site(t *testing.T, until time.Time) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func serveTLS(t *testing.T, cert tls.Certificate) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestChecksOfSitesInALiveHost(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/slow":
			<-release
		case "/bad":
			http.Error(w, "no", http.StatusInternalServerError)
		case "/away":
			http.Redirect(w, r, "/ok", http.StatusFound)
		default:
			fmt.Fprintln(w, "all is well")
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	soon, soonCA := site(t, time.Now().Add(36*time.Hour))
	past, pastCA := site(t, time.Now().Add(-time.Hour))
	soonURL, pastURL := serveTLS(t, soon), serveTLS(t, past)

	var hcl strings.Builder
	tests := map[string]struct{ config, outcome, reason string }{
		"ok":       {fmt.Sprintf("url = %q\nbody_match = \"well\"", s.URL+"/ok"), "succeeded", ""},
		"away":     {fmt.Sprintf("url = %q", s.URL+"/away"), "succeeded", ""},
		"bad":      {fmt.Sprintf("url = %q", s.URL+"/bad"), "failed", "status 500"},
		"stays":    {fmt.Sprintf("url = %q\nfollow_redirects = false", s.URL+"/away"), "failed", "status 302"},
		"slow":     {fmt.Sprintf("url = %q\ntimeout = \"300ms\"", s.URL+"/slow"), "failed", "no answer within 300ms"},
		"refused":  {`url = "http://127.0.0.1:1/"`, "failed", "connection refused"},
		"text":     {fmt.Sprintf("url = %q\nbody_not = \"well\"", s.URL+"/ok"), "failed", "the body matches"},
		"tls":      {fmt.Sprintf("url = %q\ntls {\nca = %q\n}", soonURL, soonCA), "succeeded", ""},
		"expiring": {fmt.Sprintf("url = %q\ntls {\nca = %q\nexpires_within = \"14d\"\n}", soonURL, soonCA), "failed", "the certificate expires on"},
		"expired":  {fmt.Sprintf("url = %q\ntls {\nca = %q\n}", pastURL, pastCA), "failed", "expired"},
		"strange":  {fmt.Sprintf("url = %q", soonURL), "failed", "certificate signed by unknown authority"},
	}
	for name, test := range tests {
		fmt.Fprintf(&hcl, "task %q {\n  plugin = \"http\"\n  type = \"check\"\n  on_demand {}\n  retry {\n    attempts = 3\n  }\n  config {\n%s\n  }\n}\n", name, test.config)
	}
	h := admintest.Start(t, admintest.Options{HCL: hcl.String(), Plugins: []string{"plugins/http"}})
	for name, test := range tests {
		ended := run(t, h, name, admin.RunRequest{})
		if ended.Outcome != test.outcome || test.outcome == "failed" && (class(ended) != "unhealthy" || !strings.Contains(ended.Error.Message, test.reason)) {
			t.Errorf("%s: %s %+v, want %s %q", name, ended.Outcome, ended.Error, test.outcome, test.reason)
		}
		if len(ended.Attempts) != 1 {
			t.Errorf("%s: %d attempts: an unhealthy site is no broken check", name, len(ended.Attempts))
		}
	}
	state, err := h.State(t.Context(), "tls")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(state)
	if !strings.Contains(string(text), `"tls_expires_in_days"`) || !strings.Contains(string(text), "1.5") {
		t.Errorf("state %s", text)
	}
}

func TestAPollFetchesWhatHasChanged(t *testing.T) {
	t.Parallel()
	var document atomic.Value
	document.Store("one")
	var whole atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := document.Load().(string)
		if r.Header.Get("If-None-Match") == `"`+text+`"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		whole.Add(1)
		w.Header().Set("ETag", `"`+text+`"`)
		fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	hcl := fmt.Sprintf("task \"feed\" {\n  plugin = \"http\"\n  type = \"poll\"\n  process = \"run\"\n  on_demand {}\n  config {\n    url = %q\n    save_to = \"feed.txt\"\n  }\n}\n", s.URL)
	h := admintest.Start(t, admintest.Options{HCL: hcl, Plugins: []string{"plugins/http"}})
	for i, step := range []struct {
		text    string
		changed bool
		whole   int64
	}{{"one", true, 1}, {"one", false, 1}, {"two", true, 2}, {"two", false, 2}} {
		document.Store(step.text)
		ended := run(t, h, "feed", admin.RunRequest{})
		var result struct{ Changed bool }
		if err := json.Unmarshal(ended.Result, &result); err != nil || ended.Outcome != "succeeded" {
			t.Fatalf("poll %d: %s %+v %v", i, ended.Outcome, ended.Error, err)
		}
		saved, err := os.ReadFile(filepath.Join(h.Dir, "feed.txt"))
		if err != nil || string(saved) != step.text || result.Changed != step.changed || whole.Load() != step.whole {
			t.Errorf("poll %d: saved %q, changed %v, fetched %d times; want %+v (%v)", i, saved, result.Changed, whole.Load(), step, err)
		}
	}
}

func TestAPruneFollowsNoLink(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	old := time.Now().Add(-240 * time.Hour)
	write := func(path string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(outside, "precious"))
	hcl := "task \"tidy\" {\n  plugin = \"files\"\n  on_demand {}\n  config {\n    paths = [\"tmp\"]\n    recursive = true\n    older_than = \"1d\"\n  }\n}\n"
	h := admintest.Start(t, admintest.Options{HCL: hcl, Plugins: []string{"plugins/files"}})
	tmp := filepath.Join(h.Dir, "tmp")
	write(filepath.Join(tmp, "a"))
	write(filepath.Join(tmp, "deep", "b"))
	for name, to := range map[string]string{"dir": outside, "file": filepath.Join(outside, "precious"), "up": "..", "loop": "loop", "gone": "/no/such/file"} {
		if err := os.Symlink(to, filepath.Join(tmp, "deep", name)); err != nil {
			t.Fatal(err)
		}
	}
	ended := run(t, h, "tidy", admin.RunRequest{})
	var result struct{ Files int }
	if err := json.Unmarshal(ended.Result, &result); err != nil || ended.Outcome != "succeeded" || result.Files != 2 {
		t.Errorf("%s %s %+v %v", ended.Outcome, ended.Result, ended.Error, err)
	}
	for _, path := range []string{filepath.Join(outside, "precious"), filepath.Join(h.Dir, "config.hcl")} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(tmp, "deep", "file")); err != nil {
		t.Errorf("a link was deleted: %v", err)
	}
}
