package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

const root = "../../.."

func TestTheSampleConfigurationWorks(t *testing.T) {
	t.Parallel()
	sample, err := os.ReadFile(filepath.Join(root, "config.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	text := string(sample)
	for old, fresh := range map[string]string{`"bin/plugins"`: `"plugins"`, ":7480": ":" + port} {
		if !strings.Contains(text, old) {
			t.Fatalf("config.hcl has no %s: mend this test", old)
		}
		text = strings.ReplaceAll(text, old, fresh)
	}
	config := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h := admintest.Start(t, admintest.Options{Config: config, Plugins: []string{"plugins/exec", "plugins/http", "plugins/files"}})
	all, err := h.AllTasks(t.Context(), admin.TaskQuery{})
	if err != nil || len(all) != 6 {
		t.Fatalf("%d tasks, %v", len(all), err)
	}

	h.UntilState("clock", "running")
	h.UntilRun("homepage", "succeeded")
	if nightly := run(t, h, "nightly", admin.RunRequest{}); nightly.Outcome != "succeeded" {
		t.Errorf("nightly: %s %+v", nightly.Outcome, nightly.Error)
	}
	greet := run(t, h, "greet", admin.RunRequest{Input: json.RawMessage(`{"name":"Ada"}`)})
	if text := logOf(t, h, greet.ID); greet.Outcome != "succeeded" || !strings.Contains(text, `stdout {"name":"Ada"}`) || !strings.Contains(text, "stdout hello from "+greet.ID) {
		t.Errorf("greet: %s %+v %s", greet.Outcome, greet.Error, text)
	}
	if _, err := h.Post(t.Context(), "orders", json.RawMessage(`{"item":"tea"}`), admin.PostOptions{}); err != nil {
		t.Error(err)
	}
	h.Until("the order is handled", func(ctx context.Context) error {
		q, err := h.Queue(ctx, "orders")
		if err == nil && (q.Depth > 0 || q.Counts.Acknowledged != 1) {
			err = fmt.Errorf("%d wait, %d are acknowledged", q.Depth, q.Counts.Acknowledged)
		}
		return err
	})
	report := h.UntilRun("report", "succeeded")
	if text := logOf(t, h, report.ID); !strings.Contains(text, "somebody was greeted at") {
		t.Errorf("report: %s", text)
	}
	if code := h.Stop(); code != 0 {
		t.Errorf("the host ended with %d", code)
	}
	if pids := processesOf(h); len(pids) > 0 {
		t.Errorf("the processes %v are left", pids)
	}
}

// TestWrittenConfigurationsAreCanonical holds for the sample and every example.
func TestWrittenConfigurationsAreCanonical(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Glob(filepath.Join(root, "examples", "*", "config.hcl"))
	if err != nil || len(examples) < 4 {
		t.Fatalf("%d examples, %v", len(examples), err)
	}
	out, code := cli(t, ".", append([]string{"fmt", "-check", "-diff", filepath.Join(root, "config.hcl")}, examples...)...)
	if code != 0 {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// TestExamplesAreValidAsTheyStand validates each example's own config with its plugin.
func TestExamplesAreValidAsTheyStand(t *testing.T) {
	t.Parallel()
	examples, err := filepath.Glob(filepath.Join(root, "examples", "*", "config.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range examples {
		folder := filepath.Base(filepath.Dir(path))
		_, name, _ := strings.Cut(folder, "-")
		dir := t.TempDir()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config.hcl"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "plugins"), 0o700); err != nil {
			t.Fatal(err)
		}
		plugin := "examples/" + folder
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "main.go")); err != nil { // it needs no code of its own
			plugin, name = "plugins/http", "http"
		}
		if err := os.Symlink(admintest.Build(t, plugin), filepath.Join(dir, "plugins", name)); err != nil {
			t.Fatal(err)
		}
		if out, code := cliWith(t, dir, nil, "validate"); code != 0 || !strings.HasPrefix(out, "the configuration is valid") {
			t.Errorf("%s: exit %d: %s", folder, code, out)
		}
	}
}
