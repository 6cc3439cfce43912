//go:build !race

package ui_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host/admintest"
)

// terminal opens a pair of ends: what one program writes into its terminal, the other reads.
func terminal(t *testing.T) (reader, screen *os.File) {
	t.Helper()
	reader, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal to be had here: %v", err)
	}
	t.Cleanup(func() { reader.Close() })
	fd := int(reader.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return reader, screen
}

var linkOnScreen = regexp.MustCompile(`http://127\.0\.0\.1:\d+/ui/#once=[\w-]+`)

// startAtTerminal starts a host as a person does, and returns the link that it shows.
func startAtTerminal(t *testing.T) string {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.hcl")
	text := fmt.Sprintf("host {\n  data_dir = %q\n  admin {\n    listen = [\"127.0.0.1:0\"]\n  }\n}\n", filepath.Join(t.TempDir(), "data"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	reader, screen := terminal(t)
	cmd := exec.Command(admintest.Build(t, "host/cmd/taskhost"), "serve", "-config", config)
	cmd.Stderr = screen
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	screen.Close()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	found := make(chan string, 1)
	go func() { // reads on until the host has gone: its terminal must not fill up
		defer close(found)
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			if link := linkOnScreen.FindString(lines.Text()); link != "" {
				found <- link
			}
		}
	}()
	select {
	case link, ok := <-found:
		if !ok {
			t.Fatal("the host ended and showed no link")
		}
		return link
	case <-time.After(admintest.Bound):
		t.Fatal("the host shows no link")
		return ""
	}
}

func TestTheLinkOnTheTerminalLogsInOnce(t *testing.T) {
	link := startAtTerminal(t)
	b := newBrowser(t, 800, 600)
	b.open(link)
	b.sees("main", "No task yet")
	b.until("the code is gone from the address", `!location.href.includes("once")`)
	for view, teaches := range map[string]string{"pipeline": "Nothing is wired yet", "queues": "No queue yet", "timeline": "No task yet"} {
		b.eval("location.hash = '#/" + view + "'")
		b.sees("main", teaches)
	}
	b.clean()

	again := newBrowser(t, 800, 600)
	again.open(link)
	again.sees("[role=alert]", "used already")
}

func TestALogThatOthersMayReadHoldsNoLink(t *testing.T) {
	p := startPlace(t, tasks)
	if link := linkOnScreen.FindString(p.Output()); link != "" {
		t.Errorf("a host without a terminal printed %s", link)
	}
}
