package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACgroupIsJudgedByWhatItCanHold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		controllers string
		level       Level
		says        string
	}{
		{"cpuset cpu io memory pids\n", OK, "holds memory, cpu and pids"},
		{"cpu\n", Info, "no controller for memory, pids"},
	} {
		for name, text := range map[string]string{"cgroup.procs": "", "cgroup.controllers": c.controllers} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		m := well(t)
		m.Cgroup = dir
		if f := of(t, m, "cgroup"); f.Level != c.level || !strings.Contains(f.Detail, c.says) {
			t.Errorf("%q: %+v", c.controllers, f)
		}
	}
	m := well(t)
	m.Cgroup = filepath.Join(dir, "none")
	if f := of(t, m, "cgroup"); f.Level != Warn || !strings.Contains(f.Detail, "cannot be written") || f.Remedy == "" {
		t.Errorf("without one: %+v", f)
	}
}
