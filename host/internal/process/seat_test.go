//go:build linux

package process

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// guest is a task that shares a process of the SDK's.
type guest struct {
	task.Seat
	t       *testing.T
	name    string
	log     *sink
	reports *reports
	session task.Session
}

func join(t *testing.T, p *Process, name, greeting string) *guest {
	t.Helper()
	g := &guest{t: t, name: name, log: newSink(), reports: newReports()}
	g.Seat = p.Join(name, g.log)
	c := greet(t, name, greeting)
	c.Shared = true
	if err := g.Configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	session, err := g.Open(t.Context(), g.reports)
	if err != nil {
		t.Fatal(err)
	}
	g.session = session
	return g
}

func (g *guest) start() {
	g.t.Helper()
	if err := g.session.StartRun(task.RunStart{Run: "run-" + g.name, Attempt: 1, Trigger: task.TriggerManual}); err != nil {
		g.t.Fatal(err)
	}
}

func sharedProcess(t *testing.T) *Process {
	t.Helper()
	s := newStand(t, "sdk", "")
	s.spec.Env["GODEBUG"] = "tracebacklabels=1"
	return s.launch()
}

func TestTasksThatShareAProcessHaveTheirOwnLogSessionAndEnd(t *testing.T) {
	t.Parallel()
	p := sharedProcess(t)
	a, b := join(t, p, "block.a", "hello from a"), join(t, p, "block.b", "wait")
	a.start()
	b.start()
	a.reports.await(t, "ended run-block.a succeeded")
	line := a.log.await(t, "its line", contains("hello from a"))
	if line.Run != "run-block.a" || strings.Contains(string(line.Fields), "task") {
		t.Errorf("line %+v", line)
	}
	b.log.await(t, "its line", contains("wait"))
	if err := a.Drain(t.Context(), "", time.Second, "enough"); err != nil {
		t.Fatal(err)
	}
	a.reports.await(t, "lost")
	a.Leave()
	if err := a.Drain(t.Context(), "", time.Second, "again"); !errors.Is(err, task.ErrNotServed) {
		t.Errorf("a task that has left is drained: %v", err)
	}
	if err := b.Cancel(t.Context(), "run-block.b", task.CauseCancelled, time.Second); err != nil {
		t.Fatal(err)
	}
	b.reports.await(t, "ended run-block.b failed")
	for _, l := range b.log.all() {
		if strings.Contains(l.Message, "hello") {
			t.Errorf("a's line stands in b's log: %+v", l)
		}
	}
	if err := b.Drain(t.Context(), "", time.Second, "enough"); err != nil {
		t.Fatal(err)
	}
	if exit := awaitDone(t, p, 5*time.Second); exit.Code != 0 || exit.ByHost {
		t.Errorf("with its last task the process ended: %+v", exit)
	}
}

func TestALineThatNamesNoTaskStandsInTheLogOfTheOneThatJoinedFirst(t *testing.T) {
	t.Parallel()
	p := sharedProcess(t)
	first, second, third := join(t, p, "block.a", "hello"), join(t, p, "block.b", "nameless"), join(t, p, "block.c", "nameless")
	second.start()
	first.log.await(t, "the line", contains("who says this?"))
	first.Leave()
	third.start()
	second.log.await(t, "the line", contains("who says this?"))
}

func TestATaskThatFloodsItsLogLosesNobodyElsesLines(t *testing.T) {
	t.Parallel()
	wild, tame, first := newSink(), newSink(), newSink()
	o := newOutput(first)
	o.join("first", first)
	wildest := o.join("wild", wild)
	o.join("tame", tame)
	at := time.Unix(1, 0)
	for range 4000 {
		o.channel("wild").pass(task.LogLine{At: at, Message: "flood"}, 4096)
		o.channel("").pass(task.LogLine{At: at, Message: "flood"}, 4096)
	}
	if !o.flooded() {
		t.Error("nobody notices the flood")
	}
	o.channel("tame").pass(task.LogLine{At: at, Message: "hello"}, 5)
	if lines := tame.all(); len(lines) != 1 || lines[0].Message != "hello" {
		t.Errorf("the other has %d lines, want its one", len(lines))
	}
	if n := len(wild.all()); n >= 4000 {
		t.Errorf("of the flood %d lines passed", n)
	}
	if n := len(wild.all()) - len(first.all()); n != 0 {
		t.Errorf("a task's own flood and one of no task share a limit: %d lines apart", n)
	}
	o.leave(wildest) // ends the gap
	wild.await(t, "the gap", contains("dropped"))
}

func TestACrashNamesTheTaskThatItHappenedIn(t *testing.T) {
	t.Parallel()
	p := sharedProcess(t)
	bystander, guilty := join(t, p, "block.bystander", "wait"), join(t, p, "block.guilty", "crash")
	bystander.start()
	bystander.reports.await(t, "published")
	guilty.start()
	exit := awaitDone(t, p, 20*time.Second)
	_, trace, _ := strings.Cut(exit.Panic, "goroutine ")
	first, _, _ := strings.Cut(trace, "\n")
	if !strings.Contains(exit.Panic, "no luck at all") || !strings.Contains(first, `"taskhost.task": "block.guilty"`) {
		t.Errorf("the crash reads:\n%s", exit.Panic)
	}
	guilty.reports.await(t, "lost")
	bystander.reports.await(t, "lost")
}

func TestAProcessThatHasClosedItsLastTaskTakesNoOther(t *testing.T) {
	t.Parallel()
	p := sharedProcess(t)
	a := join(t, p, "block.a", "hello")
	if err := a.Drain(t.Context(), "", time.Second, "enough"); err != nil {
		t.Fatal(err)
	}
	a.reports.await(t, "lost")
	late := p.Join("block.b", newSink())
	if err := late.Configure(context.Background(), greet(t, "block.b", "hello")); err == nil {
		t.Error("it was configured in a process that ends")
	}
	awaitDone(t, p, 5*time.Second)
}
