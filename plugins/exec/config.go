package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/sdk/task"
)

// Program is what every type takes: what is run, and how.
type Program struct {
	Command      []string          `task:"command,optional" doc:"program and arguments; a program without a slash is looked up in PATH"`
	Shell        string            `task:"shell,optional" doc:"a line for /bin/sh, instead of command"`
	Dir          string            `task:"dir,optional" doc:"working directory"`
	Env          map[string]string `task:"env,optional" doc:"variables of the command, beside those of the plugin"`
	EnvFrom      []string          `task:"env_from,optional" doc:"files with lines NAME=value, read at every run; env wins over them"`
	StopSignal   string            `task:"stop_signal,optional" doc:"sent when the task drains, or none: let it finish; TERM for a command that is kept going, otherwise none"`
	CancelSignal string            `task:"cancel_signal,optional" default:"TERM" doc:"sent when the run is cancelled; KILL follows after half of the time that is left"`
	Umask        string            `task:"umask,optional" pattern:"^0?[0-7]{3}$" doc:"file mode mask, octal"`
	ExitCodes    ExitCodes         `task:"exit_codes,block,optional" doc:"what exit codes mean; any other is a failure"`
}

// Config is what `config {}` of a command takes.
type Config struct {
	Program
	Input  string `task:"input,optional" default:"none" oneof:"none stdin" doc:"stdin: the run's input, as JSON, on standard input"`
	Result string `task:"result,optional" default:"none" oneof:"none json" doc:"json: the last line of standard output is the run's result"`
	Ready  *Ready `task:"ready,block,optional" doc:"when a command that is kept going is ready; without it, once it is started. continuous { ready { timeout } } bounds the time"`
}

// Validate checks what no single attribute can say.
func (c Config) Validate() []task.Problem { return append(c.Program.Validate(), c.Ready.validate()...) }

// ExitCodes says what exit codes mean.
type ExitCodes struct {
	OK        []int `task:"ok,optional" default:"[0]" doc:"success"`
	Skip      []int `task:"skip,optional" doc:"there was nothing to do"`
	Permanent []int `task:"permanent,optional" doc:"a failure that another try cannot mend"`
	Retry     []int `task:"retry,optional" doc:"the only failures worth another try; when empty, every failure is that is not permanent"`
}

// noSignal lets a command finish by itself.
const noSignal = syscall.Signal(0)

// Validate checks what no single attribute can say.
func (c Program) Validate() []task.Problem {
	var problems []task.Problem
	wrong := func(path, format string, args ...any) {
		problems = append(problems, task.Wrong(path, fmt.Sprintf(format, args...)))
	}
	switch {
	case len(c.Command) > 0 && c.Shell != "":
		wrong("shell", "set either command or shell, not both")
	case len(c.Command) == 0 && c.Shell == "":
		wrong("", "nothing to run: set command or shell")
	case len(c.Command) > 0 && c.Command[0] == "":
		wrong("command[0]", "the program has no name")
	}
	for i, arg := range c.Command {
		if strings.Contains(arg, "\x00") {
			wrong(fmt.Sprintf("command[%d]", i), "an argument cannot hold a NUL byte")
		}
	}
	if strings.Contains(c.Shell, "\x00") {
		wrong("shell", "a command cannot hold a NUL byte")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(c.Env[name], "\x00") {
			wrong(fmt.Sprintf("env[%q]", name), "the name of a variable is not empty and holds no =; neither it nor the value holds a NUL byte")
		}
	}
	for path, name := range map[string]string{"stop_signal": c.StopSignal, "cancel_signal": c.CancelSignal} {
		if _, err := signalNamed(name); err != nil && name != "" {
			wrong(path, "%v", err)
		}
	}
	problems = append(problems, c.ExitCodes.validate()...)
	slices.SortStableFunc(problems, func(a, b task.Problem) int { return strings.Compare(a.String(), b.String()) })
	return problems
}

// validate finds codes that cannot be, or have two meanings.
func (e ExitCodes) validate() []task.Problem {
	var problems []task.Problem
	meaning := map[int]string{}
	for _, l := range []struct {
		name  string
		codes []int
	}{{"ok", e.OK}, {"skip", e.Skip}, {"permanent", e.Permanent}, {"retry", e.Retry}} {
		for i, code := range l.codes {
			if other, taken := meaning[code]; taken {
				problems = append(problems, task.Wrong(fmt.Sprintf("exit_codes.%s[%d]", l.name, i), fmt.Sprintf("exit code %d already stands in %s", code, other)))
			}
			if code < 0 || code > 255 {
				problems = append(problems, task.Wrong(fmt.Sprintf("exit_codes.%s[%d]", l.name, i), fmt.Sprintf("exit code %d is out of range 0 to 255", code)))
			}
			meaning[code] = l.name
		}
	}
	return problems
}

// signalNamed reads TERM, SIGTERM, term; none is noSignal.
func signalNamed(name string) (syscall.Signal, error) {
	upper := strings.ToUpper(name)
	if upper == "NONE" {
		return noSignal, nil
	}
	s := unix.SignalNum("SIG" + strings.TrimPrefix(upper, "SIG"))
	if s == 0 {
		return 0, fmt.Errorf("unknown signal %q; use a name such as TERM, INT, HUP, QUIT, USR1, or none", name)
	}
	return s, nil
}

// stopSignal is what a drain sends; kept says that the command is kept going.
func (c Program) stopSignal(kept bool) syscall.Signal {
	if c.StopSignal == "" {
		if kept {
			return syscall.SIGTERM
		}
		return noSignal
	}
	s, _ := signalNamed(c.StopSignal) // Validate has read it
	return s
}

func (c Program) cancelSignal() syscall.Signal {
	if c.CancelSignal == "" {
		return syscall.SIGTERM
	}
	s, _ := signalNamed(c.CancelSignal)
	return s
}

// umask is -1 when none is set.
func (c Program) umask() int {
	if c.Umask == "" {
		return -1
	}
	n, err := strconv.ParseUint(c.Umask, 8, 12)
	if err != nil {
		return -1 // the pattern does not let it through
	}
	return int(n)
}

// argv is the program and its arguments.
func (c Program) argv() []string {
	if c.Shell != "" {
		return []string{"/bin/sh", "-c", c.Shell}
	}
	return c.Command
}
