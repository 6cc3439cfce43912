package task

import (
	"testing"
	"time"
)

func TestReadyStaysExpectedUnderADebuggerWithoutATime(t *testing.T) {
	t.Parallel()
	d := Definition{Mode: Continuous, Process: ProcessRun}
	d.Continuous.Ready.Timeout = time.Second
	d.Continuous.Watchdog = Watchdog{Timeout: time.Second, Action: WatchdogRestart}
	got := d.ForDebugger()
	if want := (ReadySpec{Called: true}); got.Continuous.Ready != want || got.Continuous.Watchdog != (Watchdog{}) || got.Process != ProcessRun {
		t.Errorf("%+v, process %s", got.Continuous, got.Process)
	}
	if d.Debug || d.Continuous.Ready.Timeout != time.Second {
		t.Error("the definition itself has changed")
	}
	if (Definition{}).ForDebugger().Continuous.Ready.Called {
		t.Error("a task that is ready at once is not any more")
	}
}
