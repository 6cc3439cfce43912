package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/host/admintest"
)

// screen is what a program has written, and lets a test wait for more.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // holds a token when there is more
}

func newScreen() *screen { return &screen{more: make(chan struct{}, 1)} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	select {
	case s.more <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *screen) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// wait waits until want stands on the screen after the place from, and returns the place after it.
func (s *screen) wait(t *testing.T, from int, want string) int {
	t.Helper()
	timeout := time.NewTimer(2 * time.Minute) // a build of everything the SDK needs may be in it
	defer timeout.Stop()
	for {
		text := s.all()
		if i := strings.Index(text[from:], want); i >= 0 {
			return from + i + len(want)
		}
		select {
		case <-s.more:
		case <-timeout.C:
			t.Fatalf("no %q after %q in\n%s", want, text[:from][max(0, from-80):], text)
		}
	}
}

// devModule is the module of a plugin as `plugin new` writes it.
func devModule(t *testing.T, form string) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if out, code := cliWith(t, dir, nil, "plugin", "new", "greeter", "-type", form, "-replace", root); code != 0 {
		t.Fatalf("plugin new: exit %d: %s", code, out)
	}
	env = append(os.Environ(), "GOFLAGS=-mod=mod -trimpath", "GOPROXY=off", "GOSUMDB=off", "GOWORK=off", "XDG_CACHE_HOME="+filepath.Join(dir, "cache"))
	gocache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return dir, append(env, "GOCACHE="+strings.TrimSpace(string(gocache)))
}

// save replaces a text in a file.
func save(t *testing.T, path, old, now string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), old) {
		t.Fatalf("%s: %v, or it has no %q", path, err, old)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), old, now, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// devStarts starts `taskhost dev greeter`. The test ends it with its last step; what is left then is killed.
func devStarts(t *testing.T, dir string, env []string, attach func(*exec.Cmd), args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(admintest.Build(t, "host/cmd/taskhost"), append([]string{"dev", "greeter"}, args...)...)
	cmd.Dir, cmd.Env = dir, env
	attach(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd
}

// ends waits for the end of a session, which leaves nothing.
func ends(t *testing.T, cmd *exec.Cmd, dir string) {
	t.Helper()
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "cache", "taskhost", "dev")); err != nil || len(left) > 0 {
		t.Errorf("left in the cache: %v, %v", left, err)
	}
}

// pty is a new terminal: where a person sits, and the side of a program.
func pty(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal to be had: %v", err)
	}
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skipf("no terminal to be had: %v", err)
	}
	t.Cleanup(func() { person.Close(); program.Close() })
	return person, program
}

func TestAPluginThatIsSavedRunsAndKeysCommandIt(t *testing.T) {
	t.Parallel()
	dir, env := devModule(t, "continuous")
	code, hcl := filepath.Join(dir, "greeter", "main.go"), filepath.Join(dir, "greeter", "greeter.hcl")
	save(t, code, "5 * time.Second", "100 * time.Millisecond")
	person, program := pty(t)
	before, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	out := newScreen()
	go func() {
		for buf := make([]byte, 4096); ; {
			n, err := person.Read(buf)
			out.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	cmd := devStarts(t, dir, env, func(c *exec.Cmd) {
		c.Stdin, c.Stdout, c.Stderr = program, program, program
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	})
	at := out.wait(t, 0, "q quit")
	at = out.wait(t, at, "after the save")
	at = out.wait(t, at, "hello  \x1b[2mcount=")

	save(t, code, "Info(c.Greeting", `Info("new "+c.Greeting`)
	at = out.wait(t, at, "new hello")
	at = out.wait(t, at, "count=3")

	save(t, code, "package main", "package main {")
	at = out.wait(t, at, "not built")
	at = out.wait(t, at, "syntax error")
	at = out.wait(t, at, "what ran goes on")
	at = out.wait(t, at, "new hello")

	save(t, hcl, `"hello"`, `"moin"`) // with the binary that was built last
	at = out.wait(t, at, "new moin")
	save(t, hcl, "greeting =", "greting =")
	at = out.wait(t, at, `unknown attribute`)
	at = out.wait(t, at, "new moin")

	for _, step := range []struct{ key, shows string }{
		{"?", "Ctrl-C: drain; again: cancel; again: kill"}, {"d", "state=stopped"}, {"c", "nothing to do"}, {"s", "count=1"}, {"k", "cancelled"}, {"x\x03", "stopped"},
	} {
		if _, err := person.WriteString(step.key); err != nil {
			t.Fatal(err)
		}
		at = out.wait(t, at, step.shows)
	}
	ends(t, cmd, dir)
	after, err := unix.IoctlGetTermios(int(program.Fd()), unix.TCGETS)
	if err != nil || *after != *before {
		t.Errorf("the terminal is not as it was: %+v, %+v, %v", before, after, err)
	}
}

func TestWithoutATerminalARunFollowsEveryBuild(t *testing.T) {
	t.Parallel()
	dir, env := devModule(t, "job")
	code := filepath.Join(dir, "greeter", "main.go")
	save(t, code, `h.Progress(1, 1, "greeting "+in.Name)`, `h.Log().Info(c.Greeting+" "+in.Name`)
	out := newScreen()
	cmd := devStarts(t, dir, env, func(c *exec.Cmd) { c.Stdout, c.Stderr = out, out }, "-run", "-input", `{"name":"you"}`)
	at := out.wait(t, 0, "not built")
	at = out.wait(t, at, "nothing runs yet")
	save(t, code, `" "+in.Name`, `" "+in.Name)`)
	at = out.wait(t, at, "idle, on demand")
	for _, want := range []string{"hello you", "succeeded"} { // the two come from different places
		out.wait(t, at, want)
	}
	if strings.Contains(out.all(), "\x1b[") || strings.Contains(out.all(), "keys:") {
		t.Errorf("colours or keys without a terminal: %s", out.all())
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil { // the terminal goes
		t.Fatal(err)
	}
	out.wait(t, at, "stopped")
	ends(t, cmd, dir)
}

func TestWhatCannotBeWorkedOnIsSaid(t *testing.T) {
	t.Parallel()
	dir := bench(t, map[string]string{"a/main.go": "package main\n", "b/readme": "", "shop.hcl": `task "x" {
  plugin = "exec"
  on_demand {}
}
`})
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"there is no Go file in b", []string{"b"}},
		{"nothing is no directory", []string{"nothing"}},
		{"there is no a/a.hcl; name the configuration with -config", []string{"a"}},
		{`-plugin: "../a" is no name`, []string{"a", "-plugin", "../a"}},
		{"-input is no JSON", []string{"a", "-input", "{"}},
		{"needs the directory of a plugin", nil},
	} {
		if out, code := cliWith(t, dir, nil, append([]string{"dev"}, tt.args...)...); code != 2 || !strings.Contains(out, tt.want) {
			t.Errorf("%v: exit %d: %s; want %q", tt.args, code, out, tt.want)
		}
	}
}
