package supervisor

import (
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

func TestWhatIsUnderADebuggerWaitsForThePerson(t *testing.T) {
	t.Parallel()
	for name, def := range map[string]task.Definition{"periodic": periodicTask(), "on demand": onDemandTask(), "continuous": continuousTask()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			def.Timeout, def.StuckAfter, def.Alarm = time.Minute, time.Minute, usualAlarms()
			def.Continuous.Ready.Timeout = time.Minute
			def.Continuous.Watchdog = task.Watchdog{Timeout: time.Minute, Action: task.WatchdogRestart}
			s := newSim(t, def.ForDebugger())
			s.behave = func() behaviour {
				b := stubborn()
				b.launch, b.onClose = 10*time.Minute, -1
				return b
			}
			s.boot(task.Memory{})
			if def.Mode == task.OnDemand {
				s.must(task.Command{Verb: task.VerbRun})
			}
			s.advance(2 * time.Hour)
			if st := s.status(); !st.Health.OK || len(s.st.live()) != 1 || s.st.live()[0].Stop != nil {
				t.Fatalf("after hours: %+v, %d live runs", st.Health, len(s.st.live()))
			}
			s.must(task.Command{Verb: task.VerbStop})
			s.advance(time.Hour)
			s.must(task.Command{Verb: task.VerbStop, Mode: task.Hard})
			s.advance(time.Hour)
			if live := s.st.live(); len(live) != 1 || live[0].Stop.Stage != task.StageCancel {
				t.Fatalf("a stop went on by itself: %+v", live)
			}
			s.must(task.Command{Verb: task.VerbStop, Mode: task.Kill})
			s.advance(time.Second)
			if len(s.st.procs) > 0 {
				t.Errorf("after the kill %d processes are left", len(s.st.procs))
			}
		})
	}
}

func TestAProcessWithoutARunThatIsUnderADebuggerIsEndedByAKillOnly(t *testing.T) {
	t.Parallel()
	def := onDemandTask()
	s := newSim(t, def.ForDebugger())
	s.behave = func() behaviour {
		b := good()
		b.onClose = -1
		return b
	}
	s.boot(task.Memory{})
	s.advance(time.Second)
	s.must(task.Command{Verb: task.VerbStop})
	s.advance(24 * time.Hour)
	if len(s.st.procs) != 1 {
		t.Fatalf("%d processes, want the one that closes what it holds open", len(s.st.procs))
	}
	s.must(task.Command{Verb: task.VerbStop, Mode: task.Kill})
	s.advance(time.Second)
	if len(s.st.procs) > 0 {
		t.Error("the kill has not ended it")
	}
}
