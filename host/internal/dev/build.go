package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// BuildError is what the compiler says.
type BuildError struct{ Text string }

func (e *BuildError) Error() string { return e.Text }

// Build compiles the command in dir to the file out, which stays as it was when that fails. It is built as its Makefile does,
// static and stripped, which links in half the time; for a debugger as debuggers build it, so that both use one cache.
// CGO_ENABLED and GOFLAGS may say otherwise.
func Build(ctx context.Context, dir, out string, debug bool) error {
	args := []string{"build", "-o", out + ".new"}
	if name, value := buildFlag(debug); !strings.Contains(os.Getenv("GOFLAGS"), name) {
		args = append(args, name+"="+value)
	}
	cmd := goCommand(ctx, dir, append(args, ".")...)
	if os.Getenv("CGO_ENABLED") == "" {
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	}
	text, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return &BuildError{"there is no go command on the PATH: install Go"}
	case err != nil && len(strings.TrimSpace(string(text))) == 0:
		return &BuildError{fmt.Sprintf("go build: %v", err)}
	case err != nil:
		return &BuildError{strings.TrimRight(string(text), "\n")}
	}
	if err := os.Rename(out+".new", out); err != nil {
		return fmt.Errorf("put the plugin in its place: %w", err)
	}
	return nil
}

// buildFlag is the flag in which the two kinds of builds differ.
func buildFlag(debug bool) (name, value string) {
	if debug {
		return "-gcflags", "all=-N -l"
	}
	return "-ldflags", "-s -w"
}

// goCommand runs the go command in dir. When ctx ends it is asked to end, then killed.
func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}
