//go:build linux

package process

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
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

func TestAProcessRunsAsItsUserAndGroup(t *testing.T) {
	nobody, err := user.Lookup("nobody")
	daemon, err2 := user.LookupGroup("daemon")
	if os.Geteuid() != 0 || err != nil || err2 != nil {
		t.Skip("needs root, the user nobody and the group daemon")
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
	for _, tt := range []struct{ user, group, uid, gid string }{
		{"nobody", "", nobody.Uid, nobody.Gid},
		{"nobody", "daemon", nobody.Uid, daemon.Gid},
		{"", "daemon", "0", daemon.Gid},
	} {
		s.spec.User, s.spec.Group = tt.user, tt.group
		p := s.up()
		status, err := os.ReadFile(procPath(p.Info().PID, "status"))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"Uid:": tt.uid, "Gid:": tt.gid, "Groups:": tt.gid} {
			_, rest, _ := strings.Cut(string(status), "\n"+name)
			line, _, _ := strings.Cut(rest, "\n")
			if got := strings.Fields(line); len(got) == 0 || got[0] != want {
				t.Errorf("user %q, group %q: %s %s, want %s", tt.user, tt.group, name, line, want)
			}
		}
		p.Kill()
		awaitDone(t, p, 20*time.Second)
	}
	for _, no := range []task.LaunchSpec{{User: "no-such-user"}, {User: "nobody", Group: "no-such-group"}} {
		s.spec.User, s.spec.Group = no.User, no.Group
		if _, err := s.l.Launch(t.Context(), s.spec); err == nil || !strings.Contains(err.Error(), "there is no such") {
			t.Errorf("error %v", err)
		}
	}
}

func TestAMissingNullDeviceIsNamed(t *testing.T) {
	t.Parallel()
	err := &fs.PathError{Op: "open", Path: os.DevNull, Err: syscall.ENOENT}
	got := spawnFailure(task.LaunchSpec{Plugin: "http", Path: os.Args[0]}, err)
	if got.Kind != task.LaunchResources || !strings.Contains(got.Error(), "open /dev/null: no such file") || !strings.Contains(got.Remedy, "mknod") {
		t.Errorf("%s: %v", got.Kind, got)
	}
}
