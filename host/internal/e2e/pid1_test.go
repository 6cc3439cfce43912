//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// TestAHostThatIsPID1ReapsWhatItsPluginsLeave runs the host as the first process of a PID namespace, as in a container: what
// its plugins' commands leave behind becomes its child, and must not stay as a zombie.
func TestAHostThatIsPID1ReapsWhatItsPluginsLeave(t *testing.T) {
	t.Parallel()
	unshare, err := exec.LookPath("unshare")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("needs unshare and root, for a PID namespace")
	}
	dir := bench(t, map[string]string{"config.hcl": `
host {
  plugin_dir        = "plugins"
  require_checksums = false
}
task "orphan" {
  plugin = "exec"
  on_demand {}
  config {
    shell = "setsid sleep 0.2 & exit 0"
  }
}
`})
	var said bytes.Buffer
	cmd := exec.Command(unshare, "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", admintest.Build(t, "host/cmd/taskhost"), "serve")
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	c, err := admin.New("unix:"+filepath.Join(dir, "data", "admin.sock"), admin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	await(t, "the host is ready", func() error { return c.Ready(t.Context()) })
	for range 5 {
		if r, err := c.StartRun(t.Context(), "orphan", admin.RunRequest{}, "", admintest.Bound); err != nil || r.Outcome != "succeeded" {
			t.Fatalf("run: %v, %+v", err, r)
		}
	}
	host := childrenOf(cmd.Process.Pid)
	if len(host) != 1 {
		t.Fatalf("the children of unshare: %v\n%s", host, said.String())
	}
	await(t, "no zombie is left", func() error {
		for _, pid := range childrenOf(host[0]) {
			if processState(pid) == "Z" {
				return fmt.Errorf("%d is a zombie", pid)
			}
			if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); strings.TrimSpace(string(comm)) == "sleep" {
				return errors.New("an orphan is still at work")
			}
		}
		return nil
	})
	if err := syscall.Kill(host[0], syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the end of PID 1: %v\n%s", err, said.String())
	}
}

// await looks until there is no error any more.
func await(t *testing.T, what string, look func() error) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(admintest.Bound)
	for {
		err := look()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not within %s: %v", what, admintest.Bound, err)
		}
	}
}

// childrenOf lists the processes whose parent is pid.
func childrenOf(pid int) (children []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, _ := os.ReadFile(path)
		_, rest, ok := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			children = append(children, child)
		}
	}
	return children
}
