package catalog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/task"
)

// lock pins what the shop sells under the name, as it is now.
func (s *shop) lock(name string) *Lock {
	s.t.Helper()
	p, err := s.open(name)
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.dir, LockName)
	if err := WriteLock(path, Lock{Plugins: map[string]Locked{name: {Digests: map[string]string{Platform(): p.Digest}, Description: p.Description}}}); err != nil {
		s.t.Fatal(err)
	}
	l, err := ReadLock(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s *shop) openLocked(l *Lock, name string) (*Plugin, error) {
	locked := l.Plugins[name]
	return s.c.Open(context.Background(), Spec{Name: name, Dir: s.dir, Locked: &locked, LockFile: l.Path})
}

func TestALockedPluginIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	asked := filepath.Join(t.TempDir(), "asked")
	s.put("fake", "echo x >> "+asked+"\n"+echo(answer))
	l := s.lock("fake")
	before, _ := os.ReadFile(asked)
	other := newShop(t) // a machine that has never seen it
	other.dir = s.dir
	p, err := other.openLocked(l, "fake")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.Plugins["fake"].Description, p.Description); diff != "" {
		t.Error(diff)
	}
	if after, _ := os.ReadFile(asked); string(before) != string(after) {
		t.Error("the binary was executed")
	}
}

func TestABinaryThatIsNotTheLockedOneIsRefused(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.put("fake", echo(answer))
	l := s.lock("fake")
	s.put("fake", echo(answer)+"\n# another")
	_, err := s.openLocked(l, "fake")
	var launch *task.LaunchError
	if !errors.As(err, &launch) || launch.Kind != task.LaunchChecksum || !strings.Contains(err.Error(), l.Path) || !strings.Contains(launch.Remedy, "taskhost plugin lock") {
		t.Errorf("another binary: %v (%T)", err, err)
	}
	locked := l.Plugins["fake"]
	locked.Digests = map[string]string{"plan9/mips": strings.Repeat("a", 64)}
	l.Plugins["fake"] = locked
	if _, err := s.openLocked(l, "fake"); err == nil || !strings.Contains(err.Error(), "is not locked for "+Platform()+", only for plan9/mips") {
		t.Errorf("another platform: %v", err)
	}
	// A pin in the configuration is the nearer word.
	digest, _ := Hash(filepath.Join(s.dir, "fake"))
	if _, err := s.c.Open(context.Background(), Spec{Name: "fake", Dir: s.dir, SHA256: digest, Locked: &locked, LockFile: l.Path}); err != nil {
		t.Errorf("a pin beside the lock: %v", err)
	}
}

func TestAPluginThatIsNotHereIsWhatItsLockSays(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	path := s.put("fake", echo(answer))
	l := s.lock("fake")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.openLocked(l, "fake"); err == nil {
		t.Error("a host opens a plugin that is not here")
	}
	s.cfg.Absent = true
	s.c = New(s.cfg)
	p, err := s.openLocked(l, "fake")
	if err != nil {
		t.Fatal(err)
	}
	if p.Path != "" || p.Digest != l.Plugins["fake"].Digests[Platform()] || p.Description.Plugin != "fake" {
		t.Errorf("%+v", p)
	}
	if problems, err := s.c.Validate(context.Background(), p, "t", [][]byte{[]byte("x")}); err != nil || len(problems) != 1 || problems[0] != nil {
		t.Errorf("its own check: %v, %v", problems, err)
	}
}

func TestALockFileThatCannotBeReliedOnIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, LockName)
	if l, err := ReadLock(path); l != nil || err != nil {
		t.Errorf("no file: %v, %v", l, err)
	}
	good := `{"sha256":{"linux/amd64":"` + strings.Repeat("a", 64) + `"},"description":` + answer + `}`
	for name, tt := range map[string]struct{ text, says string }{
		"half":        {`{"format":1,`, "unexpected end"},
		"newer":       {`{"format":2,"plugins":{}}`, "has format 2, this host reads 1"},
		"name":        {`{"format":1,"plugins":{"../x":` + good + `}}`, "no name of a plugin"},
		"digest":      {`{"format":1,"plugins":{"fake":{"sha256":{"linux/amd64":"abc"},"description":` + answer + `}}}`, "not a digest"},
		"description": {`{"format":1,"plugins":{"fake":{"sha256":{}}}}`, "speaks protocol 0"},
	} {
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadLock(path); err == nil || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "lock file") {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLock(path); err == nil {
		t.Error("a directory is read")
	}
	for paths, want := range map[string]string{dir: path, filepath.Join(dir, "a.hcl"): path, "": LockName} {
		var list []string
		if paths != "" {
			list = []string{paths, "elsewhere.hcl"}
		}
		if got := LockPath(list); got != want {
			t.Errorf("the lock of %q is %q, want %q", paths, got, want)
		}
	}
}
