package explain

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

func (w *writer) what() {
	d := w.d
	as := "the host's account"
	if d.User != "" {
		as = "the account " + d.User
	}
	w.say(by("plugin", "type", "user"), "Runs %s of the plugin %s, under %s.", d.Type, d.Plugin, as)
	if d.Block != d.Name {
		w.say(by("for_each", "instances"), "It is the instance %q of the block %q.", d.Key, d.Block)
	}
	if !d.Enabled {
		w.say(by("enabled"), "It is stopped until somebody starts it.")
	}
	var config []string
	for path := range w.origins {
		if strings.HasPrefix(path, "config.") {
			config = append(config, path)
		}
	}
	if slices.Sort(config); len(config) > 0 {
		w.say(config, "The plugin gets this configuration.")
	}
}

func (w *writer) when() {
	s := w.d.Schedule
	switch {
	case w.d.Mode == task.Continuous:
		w.say(nil, "One run, from the start of the host on, which is kept going.")
		if p := w.d.Continuous.Pause; p > 0 {
			w.say(by("continuous.pause"), "Between its steps it pauses for %s.", duration(p))
		}
	case w.d.Mode == task.OnDemand:
		w.say(nil, "A run whenever somebody asks for one.")
	case len(s.Cron) > 0:
		w.say(by("periodic.cron", "periodic.time_zone"), "A run for every slot of %s, on the wall clock of %s; a time that the clocks skip runs at the change, one that comes twice runs once, "+
			"and a cron whose hour begins with * follows real time.", quoted(s.Cron), s.TimeZone)
	case s.HasAfter:
		w.say(by("periodic.after"), "A run %s after the end of the one before it.", duration(s.After))
	default:
		w.say(by("periodic.every", "periodic.offset"), "A run every %s, on a grid that never drifts.", duration(s.Every))
	}
	if s.Jitter > 0 {
		w.say(by("periodic.jitter"), "Each begins up to %s after its slot.", duration(s.Jitter))
	}
	if s.RunOnStart {
		w.say(by("periodic.run_on_start"), "One more at once when the task starts.")
	}
	for _, a := range w.d.AfterRun {
		outcomes := make([]string, len(a.Outcomes))
		for i, o := range a.Outcomes {
			outcomes[i] = string(o)
		}
		w.say(by(`after_run["`+a.Task+`"].outcome`), "A run after every run of %q that ended as %s.", a.Task, strings.Join(outcomes, " or "))
	}
	for _, dep := range w.d.DependsOn {
		w.say(by("depends_on"), "Its first start waits until %q is %s.", dep.Task, dep.Condition)
	}
}

func (w *writer) overlap() {
	if w.d.Mode != task.Periodic || w.d.Schedule.HasAfter {
		return
	}
	paths := by("periodic.overlap")
	switch w.d.Schedule.Overlap {
	case task.OverlapQueue:
		w.say(paths, "A slot that is due then waits; of several the newest is run.")
	case task.OverlapCancel:
		w.say(paths, "The running one is stopped, cancel first, and the new slot runs then.")
	case task.OverlapAllow:
		w.say(by("periodic.overlap", "periodic.max_parallel"), "Runs go on beside each other, up to %d, each in a process of its own.", w.d.Schedule.MaxParallel)
	default:
		w.say(paths, "A slot that is due then is skipped, and recorded.")
	}
}

func (w *writer) downtime() {
	c := w.d.Schedule.CatchUp
	if w.d.Mode != task.Periodic {
		return
	}
	if w.d.Schedule.HasAfter {
		w.say(by("periodic.after"), "The delay counts from the end of the last run, down or not: it is due at once when it is over.")
		return
	}
	within := "half of the distance to the next slot, at most 12h"
	if c.Window > 0 {
		within = duration(c.Window)
	}
	paths := by("periodic.catch_up.policy", "periodic.catch_up.window")
	switch c.Policy {
	case task.CatchUpLatest:
		w.say(paths, "The newest slot that has passed runs late, when it is not older than %s; the others are recorded as missed.", within)
	case task.CatchUpAll:
		if c.Window == 0 {
			within = "any time"
		}
		w.say(append(paths, "periodic.catch_up.max"), "Up to %d slots that have passed run one after the other, when they are not older than %s; the others are recorded as missed.", c.Max, within)
	default:
		w.say(by("periodic.catch_up.policy"), "Slots that have passed do not run; they are recorded as missed.")
	}
}

func (w *writer) messages() {
	if c := w.d.Consume; c != nil {
		at := `consume["` + c.Queue + `"].`
		w.say(by(at+"concurrency"), "It handles the messages of the queue %q, %d at a time.", c.Queue, c.Concurrency)
		if c.Rate > 0 {
			w.say(by(at+"rate"), "No more than %d per %s.", c.Rate, duration(c.Per))
		}
		if c.OrderBy != "" {
			w.say(by(at+"order_by"), "Messages with one value of %s are handled one after the other, in the order of the queue.", c.OrderBy)
		}
		if c.Batch.Size > 0 {
			w.say(by(at+"batch.size", at+"batch.wait"), "In batches of up to %d, whose first message waits no longer than %s.", c.Batch.Size, duration(c.Batch.Wait))
		}
		w.say(nil, "A message whose handler fails comes again, as the block of the queue says, and becomes a dead letter after its max_deliveries.")
	}
	for _, name := range slices.Sorted(maps.Keys(w.d.Outputs)) {
		w.say(by(`output["`+name+`"].queue`), "What it emits as %q goes to the queue %q.", name, w.d.Outputs[name])
	}
}

func (w *writer) failure() {
	if w.d.Mode != task.Continuous {
		w.retries()
		return
	}
	r := w.d.Continuous.Restart
	paths := by("continuous.restart.policy", "continuous.restart.backoff", "continuous.restart.max_backoff")
	switch r.Policy {
	case task.RestartNever:
		w.say(by("continuous.restart.policy"), "Whatever its end, it is not started again.")
		return
	case task.RestartAlways:
		w.say(paths, "Whatever its end, it is started again: after a failure in %s, then in twice that, up to %s.", duration(r.Backoff), duration(r.MaxBackoff))
	default:
		w.say(paths, "After a failure it is started again in %s, then in twice that, up to %s; when it ends well it is completed.", duration(r.Backoff), duration(r.MaxBackoff))
	}
	w.say(by("continuous.restart.reset_after"), "After %s of health earlier failures are forgotten.", duration(r.ResetAfter))
	w.say(by("continuous.restart.max_failures", "continuous.restart.window"), "More than %d failures within %s are a crash loop: visible, and tried again at the longest distance.", r.MaxFailures, duration(r.Window))
	if t := w.d.Continuous.Ready.Timeout; t > 0 {
		w.say(by("continuous.ready.timeout"), "When it is not ready after %s, it counts as failed.", duration(t))
	}
	if dog := w.d.Continuous.Watchdog; dog.Timeout > 0 {
		action := "it is restarted"
		if dog.Action == task.WatchdogAlarm {
			action = "an alarm is raised"
		}
		w.say(by("continuous.watchdog.timeout", "continuous.watchdog.action"), "After %s without a sign of life %s.", duration(dog.Timeout), action)
	}
}

func (w *writer) retries() {
	r := w.d.Retry
	if r.Attempts <= 1 {
		w.say(by("retry.attempts"), "A run that fails is not tried again before the next one.")
		return
	}
	w.say(by("retry.attempts", "retry.backoff", "retry.max_backoff"), "A run that fails is tried up to %d times in all: after %s, then after twice that, up to %s.", r.Attempts, duration(r.Backoff), duration(r.MaxBackoff))
	if len(r.On) > 0 {
		classes := make([]string, len(r.On))
		for i, c := range r.On {
			classes[i] = string(c)
		}
		w.say(by("retry.on"), "Only after errors of the class %s.", strings.Join(classes, ", "))
	}
	if w.d.Mode == task.Periodic {
		w.say(nil, "A retry that would begin after the next slot is dropped, and recorded.")
	}
}

func (w *writer) length() {
	of := "An attempt"
	if w.d.Consume != nil {
		of = "The handling of a message, or of a batch,"
	}
	if w.d.Timeout > 0 {
		w.say(by("timeout"), "%s may take %s; it is cancelled then.", of, duration(w.d.Timeout))
		if w.d.MaxTimeout > 0 {
			w.say(by("max_timeout"), "It may extend that to %s in all.", duration(w.d.MaxTimeout))
		}
	} else if w.d.Mode != task.Continuous || w.d.Consume != nil {
		w.say(by("timeout"), "%s may take as long as it does.", of)
	}
	if w.d.Mode != task.Continuous && w.d.Alarm.Stuck {
		w.say(by("stuck_after", "alarm.stuck"), "A run that takes longer than %s raises an alarm.", duration(w.d.StuckAfter))
	}
}

func (w *writer) stop() {
	s := w.d.Stop
	w.say(by("stop.drain", "stop.cancel"), "It has %s to finish (drain), then %s to give up (cancel); then its whole tree of processes is killed.", duration(s.Drain), duration(s.Cancel))
	if w.d.Mode == task.Continuous {
		return
	}
	paths := by("on_interrupt")
	switch w.d.OnInterrupt {
	case task.InterruptResume:
		w.say(paths, "A run that was stopped before its work was done goes on at the next start.")
	case task.InterruptDrop:
		w.say(paths, "A run that was stopped before its work was done does not go on later.")
	default:
		w.say(paths, "A run that was stopped before its work was done goes on at the next start if it has saved values of its own.")
	}
}

func (w *writer) others() {
	if len(w.d.Groups) > 0 {
		w.say(by("groups"), "Its runs count in %s, and wait for their turn there.", quoted(w.d.Groups))
	}
}

func (w *writer) process() {
	d := w.d
	paths := by("process")
	switch {
	case d.Process == task.ProcessRun:
		w.say(paths, "Every run has a fresh process, launched ahead of its slot.")
	case d.Process == task.ProcessTask:
		w.say(paths, "Its process is always there.")
	case d.Process == task.ProcessShared:
		w.say(by("process", "max_per_process"), "Up to %d instances of the block share a process.", d.MaxPerProcess)
	case d.Mode == task.Continuous:
		w.say(paths, "Its process is there as long as the run.")
	default:
		w.say(by("process", "idle"), "Its process stays while the next slot is nearer than %s; otherwise it is ended, and launched ahead of the slot.", duration(d.Idle))
	}
	l := d.Limits
	for _, one := range []struct {
		given bool
		path  string
		text  string
	}{
		{l.Memory > 0, "limits.memory", schema.FormatBytes(l.Memory) + " of memory"},
		{l.CPU > 0, "limits.cpu", trimmed(l.CPU) + " processors"},
		{l.PIDs > 0, "limits.pids", trimmed(float64(l.PIDs)) + " processes and threads"},
		{l.Files > 0, "limits.files", trimmed(float64(l.Files)) + " open files"},
	} {
		if one.given {
			w.say(by(one.path), "It may take %s.", one.text)
		}
	}
}

func (w *writer) alarms() {
	a := w.d.Alarm
	for _, one := range []struct {
		on   bool
		path string
		text string
	}{
		{a.Failing > 0, "alarm.failing", "a run fails" + inARow(a.Failing)},
		{a.NoSuccess > 0, "alarm.no_success", "no run succeeds for " + duration(a.NoSuccess)},
		{a.Overlap > 0 && w.d.Mode == task.Periodic, "alarm.overlap", "overlap skips a slot" + inARow(a.Overlap)},
		{a.Missed > 0 && w.d.Mode == task.Periodic, "alarm.missed", "the host misses a slot" + inARow(a.Missed)},
		{a.Late > 0 && w.d.Mode == task.Periodic, "alarm.late", "a slot begins more than " + duration(a.LateBy) + " late" + inARow(a.Late)},
		{a.CrashLoop && w.d.Mode == task.Continuous, "alarm.crash_loop", "it is in a crash loop"},
		{a.DeadLetters > 0 && w.d.Consume != nil, "alarm.dead_letters", "its queue has a dead letter"},
	} {
		if one.on {
			w.say(by(one.path), "It is degraded when %s.", one.text)
		}
	}
}

func (w *writer) keep() {
	k := w.d.Keep
	age := "for ever"
	if k.Age > 0 {
		age = "for " + duration(k.Age)
	}
	w.say(by("keep.succeeded", "keep.failed", "keep.age", "keep.logs"), "%d runs that succeeded and %d that did not, %s, and %s of log.", k.Succeeded, k.Failed, age, schema.FormatBytes(k.Logs))
}

// trimmed writes a number without needless zeros.
func trimmed(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
