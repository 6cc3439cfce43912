package systemd

import (
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// timed makes the task periodic, as its timer says.
func (r *reader) timed(s *service, timer *unit) {
	t := s.task
	t.Comments = append(t.Comments, timer.comments...)
	t.Mode = imports.Periodic
	s.unit.words("Install", "WantedBy")
	if !r.calendars(s, timer) && !r.spans(s, timer) {
		t.Mode = imports.OnDemand
		r.found.Note(timer.at(0), imports.Differs, "nothing of this timer can be a schedule: task %q runs when somebody asks", t.Name)
		return
	}
	if d, ok := r.span(timer, "RandomizedDelaySec"); ok && d > 0 {
		if every := t.Get("periodic.every"); every != "" && !shorter(d, timer) {
			r.found.Note(timer.at(0), imports.Skipped, "RandomizedDelaySec is not shorter than the distance between the slots")
		} else {
			t.Set("periodic.jitter", imports.Duration(d))
		}
	}
	if t.Get("periodic.after") == "" {
		policy := "none"
		if timer.yes("Timer", "Persistent") {
			policy = "latest"
		}
		t.Set("periodic.catch_up.policy", imports.String(policy))
		if policy == "latest" {
			t.Set("periodic.catch_up.window", imports.Duration(persistentFor))
		}
	}
	var rest []string
	for _, x := range timer.unused("Timer") {
		if !slices.Contains([]string{"AccuracySec", "Unit", "RemainAfterElapse", "Persistent", "FixedRandomDelay", "DeferReactivation"}, x.key) {
			rest = append(rest, x.key)
		}
	}
	if len(rest) > 0 {
		r.found.Note(timer.at(0), imports.Skipped, "%s: no equivalent", strings.Join(rest, ", "))
	}
}

// persistentFor is how long after its slot a persistent timer's run is still begun: systemd knows no bound.
const persistentFor = 366 * 24 * time.Hour

// shorter reports whether the delay is shorter than what the timer's slots are apart.
func shorter(d time.Duration, timer *unit) bool {
	apart, _, err := parseLength(timer.text("Timer", "OnUnitActiveSec"))
	return err == nil && d < apart
}

// calendars makes crons of OnCalendar. What cannot be one is noted.
func (r *reader) calendars(s *service, timer *unit) bool {
	var crons []string
	var zone string
	for _, x := range timer.all("Timer", "OnCalendar") {
		c, err := parseCalendar(x.value)
		switch {
		case err != nil:
			r.found.Note(x.at(), imports.Skipped, "OnCalendar: %v; it is left out", err)
			continue
		case c.every > 0 && len(timer.all("Timer", "OnCalendar")) == 1:
			s.task.Set("periodic.every", imports.Duration(c.every))
			s.task.Set("periodic.offset", imports.Duration(c.offset))
			return true
		case c.every > 0:
			r.found.Note(x.at(), imports.Skipped, "OnCalendar=%s: seconds cannot stand beside another calendar; it is left out", x.value)
			continue
		case len(crons) > 0 && c.zone != zone:
			r.found.Note(x.at(), imports.Skipped, "OnCalendar=%s has another zone than the one before it; it is left out", x.value)
			continue
		case c.dropped > 0:
			r.found.Note(x.at(), imports.Differs, "OnCalendar=%s: a cron begins with the minute, %d seconds earlier", x.value, c.dropped)
		}
		crons, zone = append(crons, c.cron), c.zone
	}
	if len(crons) == 0 {
		return false
	}
	s.task.Set("periodic.cron", imports.TextOrTexts(crons))
	if zone == "" {
		zone = r.opts.Zone
	}
	if zone != "" {
		s.task.Set("periodic.time_zone", imports.String(zone))
	}
	return true
}

// spans makes a schedule of the timers that count from an event.
func (r *reader) spans(s *service, timer *unit) bool {
	t := s.task
	if d, ok := r.span(timer, "OnUnitInactiveSec"); ok {
		t.Set("periodic.after", imports.Duration(d))
	} else if d, ok := r.span(timer, "OnUnitActiveSec"); ok && d >= time.Millisecond {
		t.Set("periodic.every", imports.Duration(d))
	} else {
		for _, key := range []string{"OnBootSec", "OnStartupSec", "OnActiveSec"} {
			if x, ok := timer.one("Timer", key); ok {
				r.found.Note(x.at(), imports.Skipped, "%s=%s alone: no task runs once, so long after the start", key, x.value)
			}
		}
		return false
	}
	for _, key := range []string{"OnBootSec", "OnStartupSec", "OnActiveSec"} {
		if x, ok := timer.one("Timer", key); ok {
			t.Set("periodic.run_on_start", imports.Bool(true))
			r.found.Note(x.at(), imports.Differs, "%s=%s: the first run is at the start of the host (run_on_start), not so long after it", key, x.value)
		}
	}
	return true
}

// span reads a time span of the section Timer.
func (r *reader) span(timer *unit, key string) (time.Duration, bool) {
	x, ok := timer.one("Timer", key)
	if !ok {
		return 0, false
	}
	d, infinite, err := parseLength(x.value)
	if err != nil {
		r.found.Note(x.at(), imports.Broken, "%s: %v; it is left out", key, err)
		return 0, false
	}
	return d, !infinite
}
