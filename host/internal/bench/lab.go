package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const module = "github.com/taskhost/taskhost"

// lab holds the binaries and the directory of one benchmark run.
type lab struct {
	dir     string
	profile string // file for the processor profile of the last host; "" is none
	log     io.Writer
	hosts   int // started so far
}

// newLab builds the host, the probe and the floors as `make build` does. Call close at the end.
func newLab(ctx context.Context, profile string, log io.Writer) (_ *lab, err error) {
	dir, err := os.MkdirTemp("", "taskhost-bench-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, profile: profile, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if err := os.MkdirAll(l.path("plugins"), 0o755); err != nil {
		return nil, err
	}
	for out, pkg := range map[string]string{
		"taskhost": "host/cmd/taskhost", "plugins/probe": "host/internal/bench/probe", "plugins/http": "plugins/http", "plugins/exec": "plugins/exec", "bare": "host/internal/bench/bare",
	} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", l.path(out), module+"/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
		if text, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
	}
	return l, nil
}

func (l *lab) path(parts ...string) string {
	return filepath.Join(append([]string{l.dir}, parts...)...)
}

func (l *lab) probe() string { return l.path("plugins", "probe") }

func (l *lab) close() error { return os.RemoveAll(l.dir) }

// sayf tells what is being measured now.
func (l *lab) sayf(format string, args ...any) { fmt.Fprintf(l.log, "  … "+format+"\n", args...) }

// subject is a process that is measured: a host or a floor.
type subject struct {
	name    string
	cmd     *exec.Cmd
	began   time.Time
	out     bytes.Buffer // stdout; complete after ended
	errors  *os.File
	stdin   io.Closer // whose end ends a floor
	ended   chan struct{}
	outcome error // valid after ended
}

// start starts a process. It ends with finish.
func (l *lab) start(name string, cmd *exec.Cmd) (*subject, error) {
	s := &subject{name: name, cmd: cmd, ended: make(chan struct{})}
	var err error
	if s.errors, err = os.CreateTemp(l.dir, "stderr-"); err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = &s.out, s.errors
	// A Ctrl-C is for this program, which ends the others in its own order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.stdin, err = cmd.StdinPipe(); err != nil {
		s.errors.Close()
		return nil, err
	}
	s.began = time.Now()
	if err := cmd.Start(); err != nil {
		s.errors.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		s.outcome = cmd.Wait()
		close(s.ended)
	}()
	return s, nil
}

// patience is how long a process may take to end when it was asked to.
const patience = 30 * time.Second

// finish asks the process to end, waits for it, and returns what went wrong with it. It may be called again.
func (s *subject) finish() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.stdin.Close()
		_ = s.cmd.Process.Kill()
		<-s.ended
		return fmt.Errorf("%s did not end within %v of SIGTERM", s.name, patience)
	}
	s.stdin.Close()
	defer s.errors.Close()
	if s.outcome == nil {
		return nil
	}
	text, _ := os.ReadFile(s.errors.Name())
	return fmt.Errorf("%s ended with %w:\n%s%s", s.name, s.outcome, s.out.Bytes(), text[max(0, len(text)-4000):])
}

// floor runs a floor of the bare program to its end and decodes its result.
func (l *lab) floor(ctx context.Context, result any, args ...string) error {
	s, err := l.start("the floor "+args[0], exec.Command(l.path("bare"), args...))
	if err != nil {
		return err
	}
	select {
	case <-s.ended:
	case <-ctx.Done():
	}
	if err := errors.Join(ctx.Err(), s.finish()); err != nil {
		return err
	}
	return json.Unmarshal(s.out.Bytes(), result)
}

// bareFleet starts the go-plugin host that drives count probes, so many in each process. Its notes are complete after finish.
func (l *lab) bareFleet(count, share int, every time.Duration) (s *subject, notes string, err error) {
	l.hosts++
	notes = l.path(fmt.Sprintf("notes-%d", l.hosts))
	s, err = l.start("the bare go-plugin host", exec.Command(l.path("bare"), "fleet",
		"-plugin", l.probe(), "-n", strconv.Itoa(count), "-share", strconv.Itoa(share), "-every", every.String(), "-out", notes))
	return s, notes, err
}
