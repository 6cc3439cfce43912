package e2e

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

const asNobody = `
task "who" {
  plugin = "exec"
  user   = "nobody"
  group  = "daemon"
  on_demand {}
  config {
    shell = "id -un; echo groups $(id -Gn); echo home $HOME; cat data/admin.token data/digest.key data/host.lock; ls data data/logs; true"
  }
}

task "me" {
  plugin = "exec"
  on_demand {}
  config {
    shell = "id -un"
  }
}
`

// passableDir is a directory that other users may pass, which the test's own is not.
func passableDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "taskhost-user-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestATaskRunsAsItsUserAndSeesNothingOfTheHost(t *testing.T) {
	t.Parallel()
	nobody, err := user.Lookup("nobody")
	_, err2 := user.LookupGroup("daemon")
	if os.Geteuid() != 0 || err != nil || err2 != nil {
		t.Skip("needs root, the user nobody and the group daemon")
	}
	h := admintest.Start(t, admintest.Options{HCL: asNobody, Plugins: []string{"plugins/exec"}, Dir: passableDir(t)})
	who := run(t, h, "who", admin.RunRequest{})
	text := logOf(t, h, who.ID)
	for _, want := range []string{"stdout nobody\n", "stdout groups daemon\n", "stdout home " + nobody.HomeDir + "\n", "data/admin.token: Permission denied", "data/digest.key: Permission denied", "data/host.lock: Permission denied"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if who.Outcome != "succeeded" || strings.Contains(text, "th_") {
		t.Errorf("%s %+v\n%s", who.Outcome, who.Error, text)
	}
	if me := run(t, h, "me", admin.RunRequest{}); me.Outcome != "succeeded" {
		t.Errorf("%s %+v", me.Outcome, me.Error)
	}
	for path, want := range map[string]fs.FileMode{h.DataDir: 0o711, filepath.Join(h.DataDir, "logs"): 0o700, filepath.Join(h.DataDir, "admin.token"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
}

func TestAUserWhoCannotReachThePluginIsToldWhere(t *testing.T) {
	t.Parallel()
	if _, err := user.Lookup("nobody"); os.Geteuid() != 0 || err != nil {
		t.Skip("needs root and the user nobody")
	}
	dir := passableDir(t)
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	h := admintest.Start(t, admintest.Options{HCL: asNobody, Plugins: []string{"plugins/exec"}, Dir: closed})
	who := run(t, h, "who", admin.RunRequest{})
	for _, want := range []string{`user "nobody"`, closed, "chmod o+x"} {
		if who.Error == nil || !strings.Contains(who.Error.Message, want) {
			t.Errorf("%s %+v lacks %q", who.Outcome, who.Error, want)
		}
	}
	if me := run(t, h, "me", admin.RunRequest{}); me.Outcome != "succeeded" {
		t.Errorf("the other task: %s %+v", me.Outcome, me.Error)
	}
}
