package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// short is a length of time in its largest unit: 31ms, 12s, 2m, 13h, 4d.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + short(-d)
	case d == 0:
		return "0s"
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second && d%time.Second != 0:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', 1, 64) + "s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// ago is how long something has been so.
func (a *app) ago(t admin.Time) string {
	if t.IsZero() {
		return ""
	}
	return short(max(a.Now().Sub(t.Time), 0).Truncate(time.Second))
}

// next is when something is due: soon as a distance, later as a time in the zone, too.
func (a *app) next(t admin.Time, zone string) string {
	if t.IsZero() {
		return ""
	}
	in := t.Sub(a.Now())
	switch {
	case in <= 0:
		return "now"
	case in < time.Hour:
		return "in " + short(in.Round(time.Second))
	}
	at := t.In(a.zone(zone))
	form := "15:04 MST"
	if in >= 24*time.Hour {
		form = "Mon 02 Jan 15:04 MST"
	}
	return at.Format(form) + " (" + short(in) + ")"
}

// zone is a time zone by name, the person's own when there is none.
func (a *app) zone(name string) *time.Location {
	if name != "" {
		if loc, err := time.LoadLocation(name); err == nil {
			return loc
		}
	}
	return a.Local
}

// clock is a time as a person reads it: with its date when that is not today.
func (a *app) clock(t admin.Time) string {
	if t.IsZero() {
		return ""
	}
	at, now := t.In(a.Local), a.Now().In(a.Local)
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format(time.TimeOnly)
	}
	return at.Format(time.DateTime)
}

// oneLine joins the lines of a text.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// ordinal is 1st, 2nd, 3rd, 4th, 11th.
func ordinal(n int) string {
	suffix := "th"
	if n%100/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}

// plural is "1 task", "5 tasks".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
