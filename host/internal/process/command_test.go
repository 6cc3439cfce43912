//go:build linux

package process

import (
	"context"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

func shell(script string) Command {
	return Command{Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: "/", MaxOutput: 1 << 10}
}

func TestACommandReadsWritesAndEnds(t *testing.T) {
	t.Parallel()
	c := shell("cat; echo oops >&2; exit 3")
	c.Stdin = []byte("hello")
	out, exit, err := Run(context.Background(), c)
	if string(out) != "hello" || exit.Code != 3 || len(exit.Stderr) != 1 || exit.Stderr[0] != "oops" || err != nil {
		t.Errorf("%q %+v %v", out, exit, err)
	}
	out, exit, err = Run(context.Background(), shell("cat; echo done"))
	if string(out) != "done\n" || exit.Code != 0 || err != nil {
		t.Errorf("without input: %q %+v %v", out, exit, err)
	}
}

func TestACommandEndsWithItsContextAndItsBound(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, exit, err := Run(ctx, shell("setsid sleep 1000 & sleep 1000"))
	if !errors.Is(err, context.DeadlineExceeded) || !exit.ByHost || len(exit.Survivors) > 0 {
		t.Errorf("%+v %v", exit, err)
	}
	if _, _, err = Run(context.Background(), shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxx; done")); !errors.Is(err, ErrTooMuch) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	var launch *task.LaunchError
	if _, _, err := Run(context.Background(), Command{Path: "/no/such"}); !errors.As(err, &launch) || launch.Kind != task.LaunchMissing {
		t.Errorf("error %v", err)
	}
}

func TestAProcessRunsAsItsUser(t *testing.T) {
	nobody, err := user.Lookup("nobody")
	if os.Geteuid() != 0 || err != nil {
		t.Skip("needs root and the user nobody")
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := newStandIn(t, filepath.Join(dir, "run"), "good", "")
	text, err := os.ReadFile(s.spec.Path)
	if err != nil {
		t.Fatal(err)
	}
	s.spec.Path = filepath.Join(dir, "plugin")
	if err := os.WriteFile(s.spec.Path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	s.spec.User = "nobody"
	p := s.up()
	status, err := os.ReadFile(procPath(p.Info().PID, "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if uids, ok := strings.CutPrefix(line, "Uid:"); ok {
			want, _ := strconv.Atoi(nobody.Uid)
			if got, _ := strconv.Atoi(strings.Fields(uids)[1]); got != want {
				t.Errorf("uid %d, want %d", got, want)
			}
		}
	}
	s.spec.User = "no-such-user"
	if _, err := s.l.Launch(context.Background(), s.spec); err == nil || !strings.Contains(err.Error(), "no-such-user") {
		t.Errorf("error %v", err)
	}
}
