package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
)

// smallDisk mounts a file system of its own for a test.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("no small disk can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// leave fills a disk until so many bytes are free.
func leave(t *testing.T, dir string, free int64) {
	t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "filler"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for more := int64(s.Bavail)*s.Bsize - free; more > 0; more -= 64 << 10 {
		if _, err := f.Write(make([]byte, min(more, 64<<10))); err != nil && !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
}

func TestAFullDiskStopsAcknowledgementsAndNoTask(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "160m")
	journal := filepath.Join(t.TempDir(), "journal")
	h := admintest.Start(t, admintest.Options{
		Dir: disk, Plugins: []string{"host/internal/e2e/actor"},
		HCL: "queue \"work\" {}\n" + actor("steady", "process = \"task\"\nperiodic { every = \"100ms\" }", fmt.Sprintf("journal = %q", journal)),
	})
	posted := 0
	post := func(ctx context.Context) error {
		_, err := h.Post(ctx, "work", json.RawMessage(fmt.Sprintf(`{"n":%d}`, posted)), admin.PostOptions{ID: fmt.Sprint("n", posted)})
		if err == nil {
			posted++
		}
		return err
	}
	if err := post(t.Context()); err != nil {
		t.Fatal(err)
	}

	for _, free := range []int64{8 << 20, 0} { // below the reserve of an eighth, and nothing at all
		leave(t, disk, free)
		h.Until(fmt.Sprintf("a message is refused with %d bytes free", free), func(ctx context.Context) error {
			var p *admin.Problem
			if err := post(ctx); !errors.As(err, &p) || p.Code != "store_unavailable" {
				return fmt.Errorf("the answer is %v", err)
			}
			return nil
		})
		if err := h.Ready(t.Context()); err == nil {
			t.Error("a host that can keep nothing is ready")
		}
		before := lines(journal)
		h.Until("runs go on", func(context.Context) error {
			if now := lines(journal); now < before+10 {
				return fmt.Errorf("%d lines after %d", now, before)
			}
			return nil
		})
	}

	if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
		t.Fatal(err)
	}
	h.Until("messages are taken again", post)
	h.Until("the host is ready again", h.Ready)
	h.Kill()
	h.Launch()
	q, err := h.Queue(t.Context(), "work")
	if err != nil || q.Depth != posted {
		t.Errorf("%d messages were acknowledged, %d are there, %v", posted, q.Depth, err)
	}
}

func lines(path string) int {
	text, _ := os.ReadFile(path)
	return strings.Count(string(text), "\n")
}
