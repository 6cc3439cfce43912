package supervisor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/taskhost/taskhost/host/internal/task"
)

func sharedTask(d task.Definition) task.Definition {
	d.Process, d.MaxPerProcess = task.ProcessShared, 100
	return d
}

// firstOnly gives the first process that is launched the behaviour, and the others a good one that works as long.
func firstOnly(b behaviour) func() behaviour {
	n := 0
	return func() behaviour {
		n++
		if n == 1 {
			return b
		}
		next := good()
		next.work = b.work
		return next
	}
}

func TestAnIdleTaskMovesAtOnceAndMissesNoSlot(t *testing.T) {
	t.Parallel()
	s := newSim(t, sharedTask(periodicTask()))
	b := good()
	b.moves = 4 * time.Second
	s.behave = firstOnly(b)
	s.boot(task.Memory{})
	s.advance(4500 * time.Millisecond)
	if s.launched != 2 || s.alive() != 1 {
		t.Errorf("%d processes were launched, %d are alive; want 2 and 1", s.launched, s.alive())
	}
	s.advance(30 * time.Second)
	if diff := cmp.Diff([]string{"slot succeeded return", "slot succeeded return", "slot succeeded return"}, s.outcomes()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{}, s.records()); diff != "" {
		t.Errorf("slots that did not run: %s", diff)
	}
}

func TestARunAtWorkIsFinishedBeforeItsTaskMoves(t *testing.T) {
	t.Parallel()
	s := newSim(t, sharedTask(periodicTask()))
	b := good()
	b.work, b.moves = 8*time.Second, 12*time.Second // in the middle of the first run
	s.behave = firstOnly(b)
	s.boot(task.Memory{})
	s.advance(15 * time.Second)
	if s.launched != 1 || s.st.word != task.Running {
		t.Errorf("%d processes were launched, and the task is %s while its run goes on", s.launched, s.st.word)
	}
	s.advance(25 * time.Second)
	if s.launched != 2 {
		t.Errorf("%d processes were launched", s.launched)
	}
	if diff := cmp.Diff([]string{"slot succeeded return", "slot succeeded return", "slot succeeded return"}, s.outcomes()); diff != "" {
		t.Error(diff)
	}
}

func TestAContinuousTaskIsDrainedAndGoesOnElsewhereWithoutAFailure(t *testing.T) {
	t.Parallel()
	for _, policy := range []task.RestartPolicy{task.RestartOnFailure, task.RestartAlways, task.RestartNever} {
		d := sharedTask(continuousTask())
		d.Continuous.Restart.Policy = policy
		s := newSim(t, d)
		b := good()
		b.work, b.moves = time.Hour, 4*time.Second
		s.behave = firstOnly(b)
		s.boot(task.Memory{})
		s.advance(5 * time.Second)
		if diff := cmp.Diff([]string{"start succeeded drain"}, s.outcomes()); diff != "" {
			t.Errorf("%s: %s", policy, diff)
		}
		st := s.status()
		if s.launched != 2 || s.st.word != task.Running || st.Failures != 0 || st.Restarts != 0 || !st.Health.OK {
			t.Errorf("%s: %d processes; it is %s: %+v", policy, s.launched, s.st.word, st)
		}
	}
}

func TestARunThatANeighbourEndsIsInterruptedAndNoFailure(t *testing.T) {
	t.Parallel()
	for on, want := range map[task.OnInterrupt][]string{
		task.InterruptDrop:   {"slot interrupted neighbour"},
		task.InterruptResume: {"slot succeeded return"},
	} {
		d := sharedTask(periodicTask())
		d.OnInterrupt = on
		d.Retry = task.Retry{Attempts: 2, Backoff: time.Minute}
		s := newSim(t, d)
		b := good()
		b.crashes, b.neighbour = true, "wild"
		s.behave = firstOnly(b)
		s.boot(task.Memory{})
		s.advance(13 * time.Second)
		if diff := cmp.Diff(want, s.outcomes()); diff != "" {
			t.Errorf("%s: %s", on, diff)
		}
		if st := s.status(); st.Failures != 0 || !st.Health.OK {
			t.Errorf("%s: %d failures, %+v", on, st.Failures, st.Health)
		}
		for _, r := range s.runs {
			if r.Note != "its process was brought down by task wild, which shared it" || r.Attempts[0].Outcome != task.OutcomeInterrupted || r.Attempts[0].Exit == nil {
				t.Errorf("%s: %q, %+v", on, r.Note, r.Attempts)
			}
		}
	}
}

func TestAContinuousTaskThatANeighbourEndsBeginsAnewAtOnce(t *testing.T) {
	t.Parallel()
	for _, policy := range []task.RestartPolicy{task.RestartOnFailure, task.RestartAlways, task.RestartNever} {
		d := sharedTask(continuousTask())
		d.Continuous.Restart.Policy = policy
		s := newSim(t, d)
		s.behave = func() behaviour {
			b := good()
			b.crashes, b.neighbour = true, "wild"
			return b
		}
		s.boot(task.Memory{})
		s.advance(10 * time.Second)
		if st := s.status(); st.Failures != 0 || st.Restarts != 0 || s.st.word == task.CrashLoop || !st.Health.OK {
			t.Errorf("%s: after %d ends that were a neighbour's: %s, %+v", policy, len(s.outcomes()), s.st.word, st)
		}
		if n := len(s.outcomes()); n < 9 {
			t.Errorf("%s: it lived %d times in ten seconds, each a second long", policy, n)
		}
	}
}

func TestAnIdleProcessThatANeighbourEndsIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	s := newSim(t, sharedTask(periodicTask()))
	b := good()
	b.dies, b.neighbour = 3*time.Second, "wild"
	s.behave = firstOnly(b)
	s.boot(task.Memory{})
	s.advance(3100 * time.Millisecond)
	if s.launched != 2 || s.alive() != 1 || !s.status().Health.OK {
		t.Errorf("%d processes were launched, %d are alive, %+v", s.launched, s.alive(), s.status().Health)
	}
}
