package supervisor

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taskhost/taskhost/host/internal/task"
)

// consumerTask is a task that handles messages.
func consumerTask(name string, groups ...string) task.Definition {
	d := named(continuousTask(), name)
	d.Consume, d.Groups = &task.Consume{Queue: "urls", Concurrency: 4}, groups
	return d
}

// forever lets runs go on until they are stopped.
func forever(e *fakeEngine) {
	e.behave = func(*task.Definition) behaviour {
		b := good()
		b.work, b.ready = -1, true
		return b
	}
}

func TestASlotThatCouldBeCaughtUpIsDurableBeforeItRuns(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		started := 0
		h.engine.onStart = func(s task.RunStart) {
			started++
			if !h.journal.durable(s.Run) {
				t.Errorf("the run of %s began before it was written down", s.Slot.Format(time.TimeOnly))
			}
		}
		d := periodicTask()
		d.Schedule.CatchUp = task.CatchUp{Policy: task.CatchUpLatest}
		h.apply(nil, d)
		h.pass(35 * time.Second)
		if started < 3 {
			t.Errorf("%d runs in 35 s of a task that is due every 10 s", started)
		}
	})
}

func TestASlotThatIsNeverCaughtUpWaitsForNoDisk(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.apply(nil, periodicTask())
		h.pass(35 * time.Second)
		if h.journal.flushes != 0 {
			t.Errorf("%d times the disk was waited for", h.journal.flushes)
		}
	})
}

func TestASlotRunsAlsoWhenNothingCanBeWritten(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		h.journal.broken = &task.Error{Code: "store_unavailable", Detail: "the disk is full"}
		d := periodicTask()
		d.Schedule.CatchUp = task.CatchUp{Policy: task.CatchUpLatest}
		h.apply(nil, d)
		h.pass(35 * time.Second)
		if n := h.journal.count("sync", task.OutcomeSucceeded); n < 3 {
			t.Errorf("%d runs while the disk takes no writes", n)
		}
	})
}

func TestDeliveriesCountInTheGroupsThatRunsCountIn(t *testing.T) {
	bubble(t, func(t *testing.T, h *host) {
		forever(h.engine)
		job := named(onDemandTask(), "job")
		job.Groups = []string{"db"}
		h.apply([]task.Group{{Name: "db", Max: 1}}, consumerTask("loader", "db"), job)
		h.pass(time.Second)
		if s := h.journal.status("loader"); s.State != task.Running {
			t.Fatalf("a consumer waits for no group as a whole, it is %s", s.State)
		}
		var passed []uint64
		join := func(id uint64) {
			h.fleet.Join(id, "loader", "urls/m", []string{"db"}, func() { passed = append(passed, id) })
			synctest.Wait()
		}
		join(1)
		h.must("job", task.Command{Verb: task.VerbRun})
		join(2)
		if diff := cmp.Diff([]uint64{1}, passed); diff != "" {
			t.Error("one at a time", diff)
		}
		if got := h.journal.status("job"); len(got.Running) != 1 || got.Waiting == nil || got.Waiting.For != "group" {
			t.Errorf("the run of job waits for %+v", got.Waiting)
		}
		h.fleet.Leave(1)
		h.pass(time.Second)
		if diff := cmp.Diff([]uint64{1}, passed); diff != "" {
			t.Error("the run came before the second delivery", diff)
		}
		h.must("job", task.Command{Verb: task.VerbCancel, Mode: task.Kill})
		h.pass(5 * time.Second)
		if diff := cmp.Diff([]uint64{1, 2}, passed); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAPauseHoldsTheIntakeOfAConsumerAndNotItsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []bool
		engine := newEngine()
		forever(engine)
		h := startHost(t, engine, newJournal(), Config{Intake: func(name string, held bool) { told = append(told, held) }})
		h.apply(nil, consumerTask("loader"), named(continuousTask(), "clock"))
		h.pass(time.Second)
		h.must("loader", task.Command{Verb: task.VerbPause, Until: time.Now().Add(time.Minute)})
		h.must("clock", task.Command{Verb: task.VerbPause})
		if s := h.journal.status("loader"); s.State != task.Running {
			t.Errorf("a paused consumer is %s", s.State)
		}
		h.pass(2 * time.Minute)
		if diff := cmp.Diff([]bool{true, false}, told); diff != "" {
			t.Error("the pause and its end", diff)
		}
		h.end()
	})
}
