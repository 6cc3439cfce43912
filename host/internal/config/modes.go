package config

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// What holds where a file does not say otherwise.
const (
	defaultDrain        = 10 * time.Second
	defaultCancel       = 5 * time.Second
	defaultIdle         = time.Minute
	defaultStartTimeout = time.Minute
	defaultStuckAfter   = 10 * time.Minute // or three periods, if that is longer
	defaultParallel     = 10
	defaultCatchUp      = 10
)

// The least that makes sense, or that cannot harm.
const (
	minStartTimeout = 100 * time.Millisecond
	minEvery        = time.Millisecond
	minBackoff      = time.Millisecond // of restarts: without one, a broken task would take a processor
)

var defaultRestart = task.Restart{
	Policy:      task.RestartOnFailure,
	Backoff:     time.Second,
	MaxBackoff:  time.Minute,
	ResetAfter:  time.Minute,
	MaxFailures: 5,
	Window:      10 * time.Minute,
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,254}$`)

// schedule reads the block of the task's mode.
func (i *instance) schedule(s section, l *loader) {
	d := &i.def
	period := time.Duration(0)
	defer func() { i.alarm(s, period) }()
	switch d.Mode {
	case task.Periodic:
		periodic, _ := s.block("periodic")
		var crons []item
		d.Schedule, crons = periodic.schedule(l.host.TimeZone)
		period = i.compile(periodic, crons)
		i.parallel(s)
	case task.Continuous:
		continuous, _ := s.block("continuous")
		d.Continuous = continuous.continuous()
		if at, written := s.written("stuck_after"); written {
			i.find.errorf(at, "continuous { watchdog { timeout = … } } notices a silent task", "task %q is continuous: its run is meant to take for ever", i.node.label)
		}
		return
	case "": // none or several, which was reported; what is wrong inside them is, too
		if len(i.node.blocks["periodic"]) > 0 {
			periodic, _ := s.block("periodic")
			var crons []item
			d.Schedule, crons = periodic.schedule(l.host.TimeZone)
			i.compile(periodic, crons)
		}
		if len(i.node.blocks["continuous"]) > 0 {
			continuous, _ := s.block("continuous")
			continuous.continuous()
		}
	}
	d.StuckAfter = s.duration("stuck_after", max(3*period, defaultStuckAfter), 1)
}

// schedule reads a periodic block. What only comes from defaults and has no meaning
// with the task's own kind of schedule is passed over in silence.
func (s section) schedule(zone string) (out task.Schedule, crons []item) {
	out = task.Schedule{
		Jitter:     s.duration("jitter", 0, 0),
		Overlap:    oneOf(s, "overlap", task.OverlapSkip, task.OverlapSkip, task.OverlapQueue, task.OverlapCancel, task.OverlapAllow),
		RunOnStart: s.boolean("run_on_start", false),
	}
	kind := s.kindOfSchedule()
	switch kind {
	case "every":
		out.Every = s.duration("every", 0, minEvery)
		_, given := s.get("offset")
		out.Offset = s.duration("offset", 0, 0)
		out.HasOffset = given && (out.Offset < out.Every || out.Every == 0)
		if at, written := s.written("offset"); written && !out.HasOffset && given {
			s.find.errorf(at, "", "offset must be less than every")
		}
		if !out.HasOffset {
			out.Offset = 0
		}
	case "after":
		out.After, out.HasAfter = s.duration("after", 0, 0), true
	case "cron":
		crons, _, _ = s.textOrTexts("cron")
		for _, c := range crons {
			out.Cron = append(out.Cron, c.text)
		}
		if at, written := s.written("cron"); written && crons != nil && len(crons) == 0 {
			s.find.errorf(at, "", "cron: the list is empty")
		}
		out.TimeZone = zone
		if own, ok := s.timeZone("time_zone"); ok {
			out.TimeZone = own
		}
	}
	for attr, only := range map[string]string{"offset": "every", "time_zone": "cron"} {
		if at, written := s.written(attr); written && kind != only && kind != "" {
			s.find.errorf(at, "", "%s has a meaning only with %s", attr, only)
		}
	}
	out.MaxParallel = s.integer("max_parallel", defaultParallel, 1, 10_000)
	if out.Overlap != task.OverlapAllow {
		out.MaxParallel = 0
		if at, written := s.written("max_parallel"); written {
			s.find.errorf(at, "", `max_parallel has a meaning only with overlap = "allow"`)
		}
	}
	out.CatchUp = s.catchUp(kind)
	return out, crons
}

// kindOfSchedule finds which of every, after and cron the block gives, or if it
// gives none, its defaults.
func (s section) kindOfSchedule() string {
	kinds := []string{"every", "after", "cron"}
	for _, own := range []bool{true, false} {
		var found []string
		for _, name := range kinds {
			for _, l := range s.layers {
				if l.own == own && l.gives(name) {
					found = append(found, name)
				}
			}
		}
		switch {
		case len(found) == 1:
			return found[0]
		case len(found) > 1:
			at := s.rng
			if written, ok := s.written(found[1]); ok && own {
				at = written
			}
			s.find.errorf(at, "", "periodic gives both %s and %s; keep one", found[0], found[1])
			return ""
		}
	}
	s.find.errorf(s.rng, `add every = "30s", after = "30s" or cron = "*/5 * * * *"`, "periodic gives none of every, after and cron")
	return ""
}

func (s section) catchUp(kind string) task.CatchUp {
	c, given := s.block("catch_up")
	if kind == "after" {
		if given {
			c.find.errorf(c.rng, "the delay counts from the end of the last run", "catch_up has no meaning with after: no slot can be missed")
		}
		return task.CatchUp{Policy: task.CatchUpNone}
	}
	def := task.CatchUpNone
	if kind == "cron" {
		def = task.CatchUpLatest
	}
	out := task.CatchUp{
		Policy: oneOf(c, "policy", def, task.CatchUpNone, task.CatchUpLatest, task.CatchUpAll),
		Window: c.duration("window", 0, 1),
	}
	most := c.integer("max", defaultCatchUp, 1, 10_000)
	if out.Policy == task.CatchUpAll {
		out.Max = most
	} else if at, written := c.written("max"); written {
		c.find.errorf(at, "", `max has a meaning only with policy = "all"`)
	}
	if at, written := c.written("window"); written && out.Policy == task.CatchUpNone {
		c.find.errorf(at, `give policy = "latest" or "all"`, `window has no meaning with policy = "none"`)
	}
	if out.Policy == task.CatchUpNone {
		out.Window = 0
	}
	return out
}

// parallel makes runs that may stand side by side have a process each.
func (i *instance) parallel(own section) {
	if i.def.Schedule.Overlap != task.OverlapAllow {
		return
	}
	if at, written := own.written("process"); written && (i.def.Process == task.ProcessTask || i.def.Process == task.ProcessShared) {
		i.find.errorf(at, "leave process out", `overlap = "allow" needs a process per run`)
	}
	i.def.Process, i.def.MaxPerProcess = task.ProcessRun, 0
}

func (s section) continuous() task.ContinuousSpec {
	restart, _ := s.block("restart")
	ready, _ := s.block("ready")
	watchdog, _ := s.block("watchdog")
	out := task.ContinuousSpec{
		Pause: s.duration("pause", 0, 0),
		Restart: task.Restart{
			Policy:      oneOf(restart, "policy", defaultRestart.Policy, task.RestartOnFailure, task.RestartAlways, task.RestartNever),
			Backoff:     restart.duration("backoff", defaultRestart.Backoff, minBackoff),
			ResetAfter:  restart.duration("reset_after", defaultRestart.ResetAfter, 0),
			MaxFailures: restart.integer("max_failures", defaultRestart.MaxFailures, 1, 10_000),
			Window:      restart.duration("window", defaultRestart.Window, 1),
		},
		Ready: task.ReadySpec{Timeout: ready.duration("timeout", 0, 1)},
	}
	out.Restart.MaxBackoff = restart.maxBackoff(out.Restart.Backoff, defaultRestart.MaxBackoff)
	if timeout := watchdog.duration("timeout", 0, 1); timeout > 0 {
		out.Watchdog = task.Watchdog{Timeout: timeout}
		out.Watchdog.Action = oneOf(watchdog, "action", task.WatchdogRestart, task.WatchdogRestart, task.WatchdogAlarm)
	} else if at, written := watchdog.written("action"); written && !watchdog.any("timeout") {
		watchdog.find.errorf(at, "give timeout too", "action has a meaning only with timeout")
	}
	return out
}

// maxBackoff is never less than backoff: a default gives way, a written one is an
// error.
func (s section) maxBackoff(backoff, def time.Duration) time.Duration {
	most := s.duration("max_backoff", max(def, backoff), 0)
	if at, written := s.written("max_backoff"); written && most < backoff {
		s.find.errorf(at, "", "max_backoff is shorter than backoff")
	}
	return max(most, backoff)
}

// retry reads the retry block of a task whose runs end.
func (s section) retry(mode task.Mode) task.Retry {
	r, given := s.block("retry")
	if mode == task.Continuous {
		if given {
			hint := "continuous { restart {} } says what happens after a failure"
			if consumes, ok := s.block("consume"); ok {
				hint = fmt.Sprintf("queue %q { redeliver {} } says when a message whose handler failed comes again", clip(consumes.layers[0].node.label))
			}
			s.find.errorf(r.rng, hint, "retry has no meaning for a continuous task")
		}
		return task.Retry{Attempts: 1}
	}
	out := task.Retry{
		Attempts: r.integer("attempts", 1, 1, 1000),
		Backoff:  r.duration("backoff", time.Second, 0),
	}
	out.MaxBackoff = r.maxBackoff(out.Backoff, time.Minute)
	classes, _ := r.texts("on")
	for _, c := range classes {
		class := word(r, "on", c.text, c.at(), "", task.ErrorPlain, task.ErrorPermanent, task.ErrorRetry, task.ErrorUnhealthy, task.ErrorPanic,
			task.ErrorCrash, task.ErrorTimeout, task.ErrorLaunch, task.ErrorConfig, task.ErrorWatchdog)
		if class != "" && !slices.Contains(out.On, class) {
			out.On = append(out.On, class)
		}
	}
	slices.Sort(out.On)
	if out.Attempts == 1 {
		return task.Retry{Attempts: 1}
	}
	return out
}
