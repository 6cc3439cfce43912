//go:build linux

package process

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

// waitingPID reads from the log which process waits for a debugger.
func waitingPID(t *testing.T, s *stand) int {
	t.Helper()
	line := s.sink.await(t, "it waits for a debugger", contains("waiting for a debugger: dlv attach "))
	pid, err := strconv.Atoi(regexp.MustCompile(`attach (\d+)`).FindStringSubmatch(line.Message)[1])
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestAProcessThatWaitsForADebuggerShakesHandsWhenOneHasAttached(t *testing.T) {
	s := newStand(t, "sdk", "")
	s.spec.Debug = true
	type launched struct {
		p   task.Process
		err error
	}
	up := make(chan launched, 1)
	go func() {
		p, err := s.l.Launch(context.Background(), s.spec)
		up <- launched{p, err}
	}()
	pid := waitingPID(t, s)
	select {
	case l := <-up:
		t.Fatalf("it is up before there was a debugger: %v", l.err)
	case <-time.After(300 * time.Millisecond): // several of its looks
	}
	hosttest.Trace(t, pid)
	s.sink.await(t, "it goes on", contains("a debugger has attached"))
	l := <-up
	if l.err != nil {
		t.Fatal(l.err)
	}
	if got := l.p.Info().PID; got != pid {
		t.Errorf("process %d is up, %d waited", got, pid)
	}
	l.p.Kill()
	awaitDone(t, l.p, 20*time.Second)
}

func TestAProcessThatWaitsForADebuggerCanBeGivenUp(t *testing.T) {
	s := newStand(t, "sdk", "")
	s.spec.Debug, s.spec.Timeout = true, task.Unbounded
	defer s.leakCheck()()
	ctx, giveUp := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := s.l.Launch(ctx, s.spec)
		failed <- err
	}()
	waitingPID(t, s)
	giveUp()
	var launch *task.LaunchError
	if err := <-failed; !errors.As(err, &launch) || launch.Kind != task.LaunchStopped {
		t.Errorf("the launch ended with %v", err)
	}
}

func TestOnlyTheHostLetsAProcessWaitForADebugger(t *testing.T) {
	t.Parallel()
	env := environ(nil, map[string]string{wire.DebuggerEnv: "1", "A": "b"}, []string{"C=d"})
	if len(env) != 2 || env[0] != "A=b" || env[1] != "C=d" {
		t.Errorf("environment %q", env)
	}
}

func TestTheEndOfAKilledProcessDoesNotWaitForItsDebugger(t *testing.T) {
	s := newStand(t, "sdk", "")
	p := s.launch()
	pid := p.Info().PID
	debugger := hosttest.Trace(t, pid)
	debugger.LookAway(t)
	p.Kill()
	exit := awaitDone(t, p, 20*time.Second)
	if !exit.ByHost || exit.Signal != "killed" || alive(pid) {
		t.Errorf("it ended so: %+v, alive %v", exit, alive(pid))
	}
	if !hosttest.Traced(pid) {
		t.Errorf("the debugger does not hold process %d any more: nothing was tried", pid)
	}
	next := s.launch() // what is left of the one before is in nobody's way
	next.Kill()
	awaitDone(t, next, 20*time.Second)
	debugger.LetGo()
	eventually(t, "the host has reaped it", func() bool { return !hosttest.Traced(pid) && !exists(pid) })
}

// exists reports whether there is anything of a process, a zombie too.
func exists(pid int) bool {
	_, ok := readStat(pid)
	return ok
}
