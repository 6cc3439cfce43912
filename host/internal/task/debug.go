package task

import "time"

// Unbounded stands for no bound where a time has to be named: nobody waits for so long.
const Unbounded = 365 * 24 * time.Hour

// ForDebugger is the definition of a task whose processes a person holds with a debugger. Each waits for the debugger
// before it shakes hands, and stands still for as long as the person looks: nothing about it is late, stuck or
// overdue, and a stop goes down the ladder only when somebody says so.
func (d Definition) ForDebugger() Definition {
	d.Debug = true
	d.StartTimeout = Unbounded
	d.Timeout, d.MaxTimeout, d.StuckAfter = 0, 0, 0
	d.Alarm = Alarm{Failing: d.Alarm.Failing, DeadLetters: d.Alarm.DeadLetters, CrashLoop: d.Alarm.CrashLoop}
	d.Continuous.Ready = ReadySpec{Called: d.Continuous.Ready.Called || d.Continuous.Ready.Timeout > 0}
	d.Continuous.Watchdog = Watchdog{}
	d.Stop = Ladder{Drain: Unbounded, Cancel: Unbounded}
	if d.Process == ProcessAuto {
		d.Process = ProcessTask // one process to attach to, for all runs
	}
	return d
}
