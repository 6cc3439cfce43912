package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admintest"
)

func TestNoPluginOutlivesAKilledHost(t *testing.T) {
	t.Parallel()
	var hcl strings.Builder
	for _, do := range []string{"wait", "ignore_cancel", "stop_itself", "busy", "children"} {
		fmt.Fprintf(&hcl, `
task %q {
  plugin = "badplugin"
  type   = "live"
  continuous {
    restart {
      policy = "always"
    }
  }
  config {
    do = %q
  }
}
`, do, do)
	}
	h := admintest.Start(t, admintest.Options{HCL: hcl.String(), Plugins: []string{badPlugin}})
	for _, do := range []string{"wait", "ignore_cancel", "stop_itself", "busy"} {
		h.UntilState(do, "running")
	}
	h.Kill()
	began := time.Now()
	untilProcesses(h, 0)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("plugins lived for %v after their host; want 6 s at most", took)
	}
}

func TestAHostInPlaceOfAKilledOneRunsNothingTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	h := admintest.Start(t, admintest.Options{Plugins: []string{badPlugin}, HCL: fmt.Sprintf(`
task "only_one" {
  plugin = "badplugin"
  type   = "live"
  continuous {}
  config {
    do  = "exclusive"
    dir = %q
  }
}
`, dir)})
	for life := 1; life <= 4; life++ {
		h.Until(fmt.Sprintf("life %d has begun", life), func(context.Context) error {
			text, err := os.ReadFile(filepath.Join(dir, "journal"))
			if err == nil && strings.Count(string(text), "\n") < life {
				err = errors.New("not yet")
			}
			return err
		})
		h.Kill()
		h.Launch()
	}
	text, err := os.ReadFile(filepath.Join(dir, "journal"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "double") {
		t.Errorf("two processes ran the task at a time:\n%s", text)
	}
}
