package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

func TestADataDirectoryMayHaveALongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long-", 20), strings.Repeat("path-", 20))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	h := admintest.Start(t, admintest.Options{Dir: dir, HCL: neighbour, Plugins: []string{badPlugin}})
	h.UntilRun("neighbour", "succeeded")
	if code := h.Stop(); code != 0 {
		t.Errorf("the host exits with %d", code)
	}
}

func TestARunningTaskKeepsItsBinary(t *testing.T) {
	t.Parallel()
	h := admintest.Start(t, admintest.Options{HCL: neighbour, Plugins: []string{badPlugin}})
	h.UntilRun("neighbour", "succeeded")
	path := filepath.Join(h.Dir, "plugins", "badplugin")
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	before := h.UntilRun("neighbour", "succeeded")
	process, err := os.FindProcess(before.Attempts[0].PID)
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	h.Until("it runs in a new process of the old binary", func(context.Context) error {
		if run := h.UntilRun("neighbour", "succeeded"); run.Attempts[0].PID == process.Pid {
			return errors.New("not yet")
		} else if run.Digest != before.Digest {
			t.Errorf("it runs %s; want the binary that was validated, %s", run.Digest, before.Digest)
		}
		return nil
	})
}
