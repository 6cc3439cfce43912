package usage

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// group writes the files of a cgroup, as the kernel shows them.
func group(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestACgroupSaysWhatItsTreeTakes(t *testing.T) {
	t.Parallel()
	cpu := "usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n"
	dir := group(t, map[string]string{"cpu.stat": cpu, "memory.stat": "anon 4096\nfile 999999\nkernel 1\nfile_mapped 8192\nanon_thp 0\n"})
	if u, ok := ofGroup(dir); !ok || u.CPU != 1500*time.Millisecond || u.RSS != 12288 {
		t.Errorf("it takes %+v, %v", u, ok)
	}
	bare := group(t, map[string]string{"cpu.stat": cpu, "cgroup.procs": strconv.Itoa(os.Getpid()) + "\n"})
	if u, ok := ofGroup(bare); !ok || u.RSS < 1<<20 {
		t.Errorf("without the controller of memory it takes %+v, %v; want what its processes take", u, ok)
	}
	if u, ok := ofGroup(group(t, nil)); ok {
		t.Errorf("no cgroup takes %+v", u)
	}
}
