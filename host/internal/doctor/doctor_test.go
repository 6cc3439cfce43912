package doctor

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// well is a machine with all that a host needs.
func well(t *testing.T) Machine {
	t.Helper()
	dir := t.TempDir()
	m := Machine{DataDir: filepath.Join(dir, "data"), PluginDir: filepath.Join(dir, "plugins"), Processes: 1}
	for path, mode := range map[string]os.FileMode{m.DataDir: 0o700, m.PluginDir: 0o755} {
		if err := os.Mkdir(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(m.PluginDir, "exec"), []byte("#!/bin/sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	return m
}

func of(t *testing.T, m Machine, check string) Finding {
	t.Helper()
	for _, f := range Examine(t.Context(), m) {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("nothing was found out about %q", check)
	return Finding{}
}

func TestAMachineThatIsWellHasNoErrors(t *testing.T) {
	t.Parallel()
	m := well(t)
	for _, f := range Examine(t.Context(), m) {
		if f.Level == Fail || f.Detail == "" {
			t.Errorf("%+v", f)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(m.DataDir, ".doctor-*")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

func TestEachFaultIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	chmod := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		check        string
		spoil        func(m *Machine)
		level        Level
		says, remedy string
	}{
		{"data directory", func(m *Machine) { chmod(m.DataDir, 0o777) }, Fail, "can be written by others (mode -rwxrwxrwx)", "chmod go-w"},
		{"data directory", func(m *Machine) { m.DataDir = filepath.Join(m.PluginDir, "exec") }, Fail, "is no directory", "another data_dir"},
		{"data directory", func(m *Machine) { m.DataDir += "/a/b" }, OK, "will be made", ""},
		{"plugins", func(m *Machine) { m.PluginDir += "/none" }, Warn, "cannot be read", "another plugin_dir"},
		{"plugins", func(m *Machine) { chmod(filepath.Join(m.PluginDir, "exec"), 0o600) }, Warn, "holds no program", "install"},
		{"plugins", func(m *Machine) { chmod(filepath.Join(m.PluginDir, "exec"), 0o777) }, Fail, "everyone can write exec", "chmod o-w"},
		{"plugins", func(m *Machine) { chmod(m.PluginDir, 0o777) }, Warn, "they decide what the host starts", "chmod go-w"},
		{"accounts", func(m *Machine) { m.Accounts = []Account{{Task: "a"}} }, OK, "a user or a group: 1", ""},
		{"accounts", func(m *Machine) {
			m.Accounts = []Account{{Task: "a"}, {Task: "b", Group: "no-such-group"}, {Task: "c", User: "no-such-user"}}
		}, Fail, `task "b": group "no-such-group": there is no such group on this machine; make it, or name another one, and 1 more`, "fail at their start"},
		{"open files", func(m *Machine) { m.Processes = 1 << 40 }, Fail, "processes need about", "LimitNOFILE="},
	}
	for _, tt := range tests {
		m := well(t)
		tt.spoil(&m)
		f := of(t, m, tt.check)
		if f.Level != tt.level || !strings.Contains(f.Detail, tt.says) || !strings.Contains(f.Remedy, tt.remedy) {
			t.Errorf("%s: %+v; want %s with %q and %q", tt.check, f, tt.level, tt.says, tt.remedy)
		}
	}
}

func TestADirectoryThatCannotBeMadeIsAnError(t *testing.T) {
	t.Parallel()
	for why, spoil := range map[string]func(dir string) (below string, err error){
		"a file is in its way": func(dir string) (string, error) {
			return dir + "/file/below", os.WriteFile(dir+"/file", nil, 0o600)
		},
		"nobody but root may write there": func(dir string) (string, error) {
			return dir + "/below", os.Chmod(dir, 0o500)
		},
	} {
		if strings.Contains(why, "root") && os.Geteuid() == 0 {
			continue
		}
		m := well(t)
		var err error
		if m.DataDir, err = spoil(m.DataDir); err != nil {
			t.Fatal(err)
		}
		if f := of(t, m, "data directory"); f.Level != Fail || !strings.Contains(f.Detail, "cannot be made") || f.Remedy == "" {
			t.Errorf("%s: %+v", why, f)
		}
	}
}

func TestAnExaminationEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found := Examine(ctx, well(t)); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	if f := syncTime(ctx, well(t)); f.Level != Warn || !strings.Contains(f.Detail, "not measured") {
		t.Errorf("%+v", f)
	}
}
