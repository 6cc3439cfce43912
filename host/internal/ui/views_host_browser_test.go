//go:build !race

package ui_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// otherHost builds the host with a page that differs, as another version would have it.
func otherHost(t *testing.T) string {
	t.Helper()
	style, err := filepath.Abs("files/style.css")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(style)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	changed, overlay, out := filepath.Join(dir, "style.css"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "taskhost")
	if err := os.WriteFile(changed, append(data, "/* another version */\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {style: changed}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-overlay", overlay, "-o", out, "github.com/taskhost/taskhost/host/cmd/taskhost")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build another host: %v\n%s", err, said)
	}
	return out
}

// replace ends the host, and starts another binary in its place.
func (p *place) replace(t *testing.T, binary string) {
	t.Helper()
	p.Stop()
	cmd := exec.Command(binary, "serve", "-config", filepath.Join(p.Dir, "config.hcl"))
	cmd.Dir = p.Dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	p.find(t)
}

func TestAnOpenPageSaysThatItsHostWasReplaced(t *testing.T) {
	other := otherHost(t) // before the browser, which does not live for ever
	p := startPlace(t, tasks)
	b := newBrowser(t, 1280, 900)
	b.login(p.url, p.token)
	b.sees("[data-task=clock]", "running")
	b.eval("window.opened = 'once'")
	p.replace(t, other)
	b.sees("main", "Your session has ended")
	b.click("input[name=token]")
	b.press(p.token, kb.Enter)
	b.sees(".banner", "The host was replaced")
	b.accessible("replaced host")
	b.click(".banner button")
	p.Until("the page is a new one", func(context.Context) error {
		got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`String(window.opened === undefined && Boolean(document.querySelector("[data-task=clock]")))`))
		if err == nil && got != "true" {
			err = errors.New("it is not")
		}
		return err // also while the one goes and the other comes
	})
	b.until("which belongs to the host", `!document.querySelector(".banner")`)
	b.clean()
}
