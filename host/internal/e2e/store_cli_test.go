package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/admin"
)

// TestABackupOfALiveHostServesItsHistory copies the store while the host writes, loses the data directory, and goes
// on from the copy.
func TestABackupOfALiveHostServesItsHistory(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("asked", "on_demand {}")+actor("tick", "periodic { every = \"50ms\" }"))
	ran := run(t, h, "asked", admin.RunRequest{Input: json.RawMessage(`{"text":"remember me"}`)})
	var acked atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	wrote := make(chan error, 1)
	go func() {
		for n := int64(1); ctx.Err() == nil; n++ {
			if _, err := h.SetCheckpoint(t.Context(), "asked", "n", fmt.Append(nil, n), admin.CheckpointWrite{}); err != nil {
				wrote <- err
				return
			}
			acked.Store(n)
		}
		wrote <- nil
	}()
	untilRuns(h, 5, ended("tick"))
	before, least := acked.Load(), len(untilRuns(h, 1, ended("tick")))
	mustStore(t, h.Dir, "backup", "copy.db")
	after := acked.Load()
	mustStore(t, h.Dir, "check")
	var info struct {
		Format, Newest int
		Runs           int
	}
	if err := json.Unmarshal([]byte(mustStore(t, h.Dir, "info", "-json")), &info); err != nil || info.Format == 0 || info.Runs < least {
		t.Errorf("store info of a live host: %+v, %v", info, err)
	}
	if out, code := cli(t, h.Dir, "store", "restore", "copy.db"); code != 1 || !strings.Contains(out, "pid "+strconv.Itoa(h.PID)) {
		t.Errorf("restore under a live host: exit %d, %s; want its pid %d", code, out, h.PID)
	}
	stop()
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	h.Kill()
	if out, code := cli(t, h.Dir, "store", "restore", "copy.db"); code != 1 || !strings.Contains(out, "not written over") {
		t.Errorf("restore over a store: exit %d, %s", code, out)
	}
	if err := os.Rename(h.DataDir, h.DataDir+".lost"); err != nil {
		t.Fatal(err)
	}
	if out := mustStore(t, h.Dir, "restore", "copy.db"); !strings.Contains(out, "older than the world") {
		t.Errorf("restore said %s", out)
	}
	h.Launch()

	again, err := h.Run(t.Context(), ran.ID, 0)
	if diff := cmp.Diff(ran, again); err != nil || diff != "" {
		t.Errorf("the run in the history: %v (-before +after):\n%s", err, diff)
	}
	c, err := h.Checkpoint(t.Context(), "asked")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := strconv.ParseInt(string(c.Values["n"].Value), 10, 64); err != nil || n < before || n > after+1 {
		t.Errorf("the checkpoint holds %d, %v; want what stood between the beginning of the copy and its end, %d to %d", n, err, before, after+1)
	}
	if runs := untilRuns(h, least, ended("tick")); len(runs) < least {
		t.Errorf("%d runs of before are in the history; want %d", len(runs), least)
	}
}

func TestADamagedStoreIsNamedByTheCommandLine(t *testing.T) {
	t.Parallel()
	h := stage(t, actor("asked", "on_demand {}"))
	if _, err := h.SetCheckpoint(t.Context(), "asked", "k", json.RawMessage(`"the value that will be damaged"`), admin.CheckpointWrite{}); err != nil {
		t.Fatal(err)
	}
	h.Stop()
	path := filepath.Join(h.DataDir, "taskhost.db")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(b), "InRoZSB2YWx1ZSB0aGF0IHdpbGwgYmUgZGFtYWdlZCI") // the value as its record holds it
	if at < 0 {
		t.Fatal("the value is not found in the file")
	}
	b[at] ^= 2
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, code := cli(t, h.Dir, "store", "check", "-data-dir", h.DataDir)
	if code != 1 || !strings.HasPrefix(out, path+": table checkpoints, row 1: ") {
		t.Errorf("store check: exit %d, %s; want the file and the place", code, out)
	}
	if out, code := cli(t, h.Dir, "store", "backup", "-data-dir", h.DataDir, "copy.db"); code != 1 || !strings.Contains(out, "table checkpoints") {
		t.Errorf("store backup of a damaged store: exit %d, %s", code, out)
	}
	if _, err := os.Stat(filepath.Join(h.Dir, "copy.db")); err == nil {
		t.Error("a copy of a damaged store has got its name")
	}
}

// mustStore runs a store command and returns what it printed.
func mustStore(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, code := cli(t, dir, append([]string{"store"}, args...)...)
	if code != 0 {
		t.Fatalf("store %v: exit %d, %s", args, code, out)
	}
	return out
}
