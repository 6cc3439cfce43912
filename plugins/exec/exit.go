package main

import (
	"fmt"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/taskhost/taskhost/sdk/task"
)

// ending is how a command ended.
type ending struct {
	code   int            // when no signal ended it
	signal syscall.Signal // 0 for none
}

func endingOf(s *os.ProcessState) ending {
	if status, ok := s.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return ending{signal: status.Signal()}
	}
	return ending{code: s.ExitCode()}
}

func (e ending) String() string {
	if e.signal != 0 {
		return "ended by " + unix.SignalName(e.signal)
	}
	return fmt.Sprintf("exit %d", e.code)
}

// shellCode is the exit code as a shell tells it: 128 and the number of a signal.
func (e ending) shellCode() int {
	if e.signal != 0 {
		return 128 + int(e.signal)
	}
	return e.code
}

// by reports whether the signal is what ended it, directly or as a shell passes it on.
func (e ending) by(s syscall.Signal) bool {
	return s != noSignal && e.shellCode() == 128+int(s)
}

// skips reports whether the command found nothing to do.
func (x ExitCodes) skips(e ending) bool { return e.signal == 0 && slices.Contains(x.Skip, e.code) }

// judge turns the ending into the run's error, with more of what is known about it. stopped is the signal that a drain
// has sent.
func (x ExitCodes) judge(e ending, stopped syscall.Signal, more string) error {
	if e.by(stopped) {
		return nil
	}
	has := func(codes []int) bool { return e.signal == 0 && slices.Contains(codes, e.code) }
	switch err := fmt.Errorf("the command failed: %s%s", e, more); {
	case has(x.OK):
		return nil
	case x.skips(e):
		return task.Skip(e.String())
	case has(x.Permanent):
		return task.Permanent(err)
	case len(x.Retry) > 0 && !has(x.Retry):
		return task.Permanent(err)
	default:
		return err
	}
}
