package tasktest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/sdk/internal/configfile"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

// Program is a plugin binary. It does not belong into [Test]: its time is real.
type Program struct {
	Path string
	t    testing.TB
}

// Binary builds the plugin whose main package is in dir, static and stripped, and
// fails the test when it does not build.
func Binary(t testing.TB, dir string) *Program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plugin")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("tasktest: build %s: %v\n%s", dir, err, out)
	}
	return &Program{Path: path, t: t}
}

// At is a plugin binary that is built already: for several tests that share one.
func At(t testing.TB, path string) *Program { return &Program{Path: path, t: t} }

// commandTime bounds a subcommand of a plugin.
const commandTime = time.Minute

// Command runs a subcommand of the binary, with an empty environment but PATH, and
// returns what it wrote and its exit code.
func (p *Program) Command(stdin []byte, args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	return p.command(p.t.TempDir(), stdin, args...)
}

func (p *Program) command(dir string, stdin []byte, args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Path, args...)
	cmd.WaitDelay = time.Second
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil && cmd.ProcessState == nil {
		p.t.Fatalf("tasktest: run %s: %v", p.Path, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Describe is what the binary says of itself.
func (p *Program) Describe() wire.Description {
	p.t.Helper()
	out, errs, code := p.Command(nil, "describe")
	if code != 0 {
		p.t.Fatalf("tasktest: describe: exit code %d: %s", code, errs)
	}
	var d wire.Description
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		p.t.Fatalf("tasktest: describe: %v", err)
	}
	return d
}

// Validate checks a config as `taskhost validate` does: the schema here, the
// cross-field checks in the binary. The error names every problem, a line each.
func (p *Program) Validate(typ, hcl string) error {
	p.t.Helper()
	_, err := p.kind(typ).parse(hcl, nil)
	return err
}

// Run starts the binary over the real handshake, and in it a task and one run, like
// the function [Run]. [KillAfterCommit] and [Task.Kill] kill the process for good.
func (p *Program) Run(typ, hcl string, opts ...Option) *Task {
	p.t.Helper()
	r, err := p.Open(typ, hcl, opts...)
	if err != nil {
		p.t.Fatalf("tasktest: %v", err)
	}
	return r
}

// Open is Run for a test that expects an error before the run.
func (p *Program) Open(typ, hcl string, opts ...Option) (*Task, error) {
	p.t.Helper()
	return start(p.t, p.kind(typ), hcl, opts)
}

// kind finds a type of the binary; typ "" is the only one.
func (p *Program) kind(typ string) *kind {
	p.t.Helper()
	d := p.Describe()
	i := slices.IndexFunc(d.Types, func(t wire.Type) bool { return t.Name == typ })
	if typ == "" && len(d.Types) == 1 {
		i = 0
	}
	if i < 0 {
		p.t.Fatalf("tasktest: plugin %q has no type %q", d.Plugin, typ)
	}
	k := &kind{description: d.Types[i]}
	k.parse = func(hcl string, env map[string]string) ([]byte, error) {
		c := configfile.Parse(k.description.Config, p.checker(k.description.Name), "config.hcl", []byte(hcl), lookup(env))
		return c.Msgpack, c.Err()
	}
	k.launch = func(log *logs, env map[string]string) (process, error) { return launch(p.Path, log, env) }
	return k
}

// checker runs the cross-field checks in the binary.
func (p *Program) checker(typ string) configfile.Check {
	return func(data []byte) ([]schema.Problem, error) {
		out, errs, code := p.Command(data, "validate", "-wire", "-type", typ)
		if code != 0 {
			return nil, fmt.Errorf("validate: exit code %d: %s", code, errs)
		}
		var answer struct{ Problems []schema.Problem }
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			return nil, fmt.Errorf("decode the answer of validate: %w", err)
		}
		return answer.Problems, nil
	}
}

// audit is what `describe -audit` reports of the process as main came to Serve.
type audit struct {
	Descriptors []string `json:"descriptors"` // number, space, what it leads to
	Children    []string `json:"children"`
	Goroutines  []string `json:"goroutines"`
}

// NoSideEffects fails the test when the binary does something before task.Serve,
// where it must do nothing, because that part runs at every `describe` and
// `validate`: when files, sockets or child processes are open as Serve begins, when
// goroutines of its own are at work, or when it has left files in its working,
// home or temporary directory. It cannot see what was opened and closed again
// without a trace. It needs Linux and skips the test elsewhere.
func NoSideEffects(t testing.TB, p *Program) {
	t.Helper()
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("tasktest: NoSideEffects needs /proc")
	}
	for _, problem := range p.sideEffects() {
		t.Errorf("tasktest: before task.Serve, %s", problem)
	}
}

func (p *Program) sideEffects() []string {
	p.t.Helper()
	dir := p.t.TempDir()
	out, errs, code := p.command(dir, nil, "describe", "-audit")
	if code != 0 {
		return []string{fmt.Sprintf("describe ends with exit code %d: %s", code, strings.TrimSpace(errs))}
	}
	var found audit
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		return []string{fmt.Sprintf("something is written to stdout: %.200q", out)}
	}
	var problems []string
	note := func(format string, each []string) {
		for _, e := range each {
			problems = append(problems, fmt.Sprintf(format, e))
		}
	}
	inherited := ownDescriptors()
	found.Descriptors = slices.DeleteFunc(found.Descriptors, func(d string) bool { return inherited[d] })
	note("descriptor %s is open", found.Descriptors)
	note("the child process %s is running", found.Children)
	note("a goroutine is running:\n%s", found.Goroutines)
	left, err := os.ReadDir(dir)
	if err != nil {
		problems = append(problems, err.Error())
	}
	for _, entry := range left {
		problems = append(problems, fmt.Sprintf("the file %s is made in the working, home or temporary directory", entry.Name()))
	}
	if errs != "" {
		problems = append(problems, fmt.Sprintf("something is written to stderr: %.200q", errs))
	}
	return problems
}

// ownDescriptors is what the test has open itself, part of which its children inherit.
func ownDescriptors() map[string]bool {
	own := make(map[string]bool)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return own
	}
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			own[entry.Name()+" "+target] = true
		}
	}
	return own
}

var errNoHandshake = errors.New("the process ended before the handshake")
