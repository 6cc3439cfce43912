package systemd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/schedule"
)

// calendar is what an OnCalendar comes to.
type calendar struct {
	cron    string
	every   time.Duration // in place of cron
	offset  time.Duration
	zone    string
	dropped int // seconds after the minute that a cron cannot name
}

var shorthands = map[string]string{
	"minutely": "*-*-* *:*:00", "hourly": "*-*-* *:00:00", "daily": "*-*-* 00:00:00", "weekly": "Mon *-*-* 00:00:00", "monthly": "*-*-01 00:00:00",
	"quarterly": "*-01,04,07,10-01 00:00:00", "semiannually": "*-01,07-01 00:00:00", "semi-annually": "*-01,07-01 00:00:00",
	"yearly": "*-01-01 00:00:00", "annually": "*-01-01 00:00:00",
}

// A calendarField is one component of a calendar, and the values that it may have.
type calendarField struct {
	name     string
	min, max int
}

var (
	monthField  = calendarField{"month", 1, 12}
	dayField    = calendarField{"day", 1, 31}
	hourField   = calendarField{"hour", 0, 23}
	minuteField = calendarField{"minute", 0, 59}
	secondField = calendarField{"second", 0, 59}
)

// parseCalendar reads a calendar expression. What a cron cannot say is an error that says so.
func parseCalendar(text string) (calendar, error) {
	var c calendar
	words := strings.Fields(text)
	if n := len(words); n > 1 && isZone(words[n-1]) {
		c.zone, words = words[n-1], words[:n-1]
		if _, err := schedule.LoadZone(c.zone); err != nil {
			return c, err
		}
	}
	if len(words) == 1 {
		if full, ok := shorthands[strings.ToLower(words[0])]; ok {
			words = strings.Fields(full)
		}
	}
	week, date, clock, err := calendarParts(words, text)
	if err != nil {
		return c, err
	}
	dow, err := weekdays(week)
	if err != nil {
		return c, err
	}
	months, days, err := datePart(date)
	if err != nil {
		return c, err
	}
	if dow != "*" && days != "*" {
		return c, fmt.Errorf("%q wants a day of the week and a day of the month at once; in a cron it is one or the other", text)
	}
	hours, minutes, seconds, err := clockPart(clock)
	if err != nil {
		return c, err
	}
	if hours == "*" && minutes == "*" && days == "*" && months == "*" && dow == "*" && seconds != "0" {
		return c, c.fast(seconds)
	}
	c.dropped, err = strconv.Atoi(seconds)
	if err != nil {
		return c, fmt.Errorf("%q names several seconds of a minute; a cron names minutes", text)
	}
	c.cron = strings.Join([]string{minutes, hours, days, months, dow}, " ")
	if _, err := schedule.ParseCron(c.cron); err != nil {
		return c, err
	}
	return c, nil
}

// calendarParts tells the day of the week, the date and the time of day from each other.
func calendarParts(words []string, text string) (week, date, clock string, err error) {
	for _, w := range words {
		var part *string
		switch {
		case w[0] >= 'A' && w[0] <= 'Z' || w[0] >= 'a' && w[0] <= 'z':
			part = &week
		case strings.Contains(w, ":"):
			part = &clock
		case strings.ContainsAny(w, "-~"):
			part = &date
		default:
			return "", "", "", fmt.Errorf("%q is no calendar: %q is neither a day of the week nor a date nor a time of day", text, w)
		}
		if *part != "" {
			return "", "", "", fmt.Errorf("%q is no calendar: %q is one part too many", text, w)
		}
		*part = w
	}
	if week == "" && date == "" && clock == "" {
		return "", "", "", fmt.Errorf("there is no calendar")
	}
	return week, date, clock, nil
}

func isZone(word string) bool {
	return word == "UTC" || strings.Contains(word, "/") && word[0] >= 'A' && word[0] <= 'Z' && !strings.Contains(word, ":")
}

// fast takes a calendar that is about seconds alone.
func (c *calendar) fast(seconds string) error {
	if second, err := strconv.Atoi(seconds); err == nil {
		c.every, c.offset = time.Minute, time.Duration(second)*time.Second
		return nil
	}
	if seconds == "*" {
		seconds = "*/1"
	}
	step, err := strconv.Atoi(strings.TrimPrefix(seconds, "*/"))
	if err != nil || step < 1 || 60%step != 0 {
		return fmt.Errorf("seconds %q are not the same distance apart", seconds)
	}
	c.every = time.Duration(step) * time.Second
	return nil
}

var weekNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func weekdays(text string) (string, error) {
	if text == "" {
		return "*", nil
	}
	var out []string
	for item := range strings.SplitSeq(strings.TrimSuffix(text, ","), ",") {
		first, last, isRange := strings.Cut(item, "..")
		if !isRange {
			first, last, isRange = strings.Cut(item, "-")
		}
		a, b := weekday(first), weekday(last)
		if a < 0 || isRange && b < 0 {
			return "", fmt.Errorf("%q is no day of the week", item)
		}
		switch {
		case !isRange:
			out = append(out, weekNames[a])
		case a <= b:
			out = append(out, weekNames[a]+"-"+weekNames[b])
		default: // over the end of the week
			for d := a; ; d = (d + 1) % 7 {
				out = append(out, weekNames[d])
				if d == b {
					break
				}
			}
		}
	}
	return strings.Join(out, ","), nil
}

func weekday(text string) int {
	text = strings.ToLower(text)
	if len(text) < 3 || !strings.HasPrefix("sunday monday tuesday wednesday thursday friday saturday", text) && !strings.Contains(" sunday monday tuesday wednesday thursday friday saturday", " "+text) {
		return -1
	}
	return slices.Index(weekNames, text[:3])
}

func datePart(text string) (months, days string, err error) {
	if text == "" {
		return "*", "*", nil
	}
	if strings.Contains(text, "~") {
		return "", "", fmt.Errorf("%q counts days from the end of the month, which a cron cannot", text)
	}
	parts := strings.Split(text, "-")
	switch len(parts) {
	case 2:
	case 3:
		if parts[0] != "*" {
			return "", "", fmt.Errorf("%q names a year, which a cron cannot", text)
		}
		parts = parts[1:]
	default:
		return "", "", fmt.Errorf("%q is no date", text)
	}
	if months, err = monthField.cron(parts[0]); err != nil {
		return "", "", err
	}
	days, err = dayField.cron(parts[1])
	return months, days, err
}

func clockPart(text string) (hours, minutes, seconds string, err error) {
	if text == "" {
		return "0", "0", "0", nil
	}
	parts := strings.Split(text, ":")
	if len(parts) == 2 {
		parts = append(parts, "0")
	}
	if len(parts) != 3 {
		return "", "", "", fmt.Errorf("%q is no time of day", text)
	}
	if hours, err = hourField.cron(parts[0]); err != nil {
		return "", "", "", err
	}
	if minutes, err = minuteField.cron(parts[1]); err != nil {
		return "", "", "", err
	}
	seconds, err = secondField.cron(parts[2])
	return hours, minutes, seconds, err
}

// cron writes a component as a cron does.
func (f calendarField) cron(text string) (string, error) {
	var out []string
	for item := range strings.SplitSeq(text, ",") {
		one, err := f.item(item)
		if err != nil {
			return "", err
		}
		out = append(out, one)
	}
	return strings.Join(out, ","), nil
}

func (f calendarField) item(text string) (string, error) {
	bad := fmt.Errorf("%q is no %s of a calendar", text, f.name)
	span, stepText, hasStep := strings.Cut(text, "/")
	step := 1
	if hasStep {
		var err error
		if step, err = strconv.Atoi(stepText); err != nil || step < 1 {
			return "", bad
		}
	}
	from, to := f.min, f.max
	switch first, last, isRange := strings.Cut(span, ".."); {
	case span == "*":
	case isRange:
		var ok bool
		if from, ok = f.number(first); !ok {
			return "", bad
		}
		if to, ok = f.number(last); !ok || to < from {
			return "", bad
		}
	default:
		var ok bool
		if from, ok = f.number(span); !ok {
			return "", bad
		}
		if !hasStep {
			return strconv.Itoa(from), nil
		}
	}
	whole := from == f.min && to == f.max
	switch {
	case whole && step == 1:
		return "*", nil
	case whole && f != hourField: // hours that begin with * follow real time, not the wall clock
		return fmt.Sprintf("*/%d", step), nil
	case step == 1:
		return fmt.Sprintf("%d-%d", from, to), nil
	}
	return fmt.Sprintf("%d-%d/%d", from, to, step), nil
}

func (f calendarField) number(text string) (int, bool) {
	if f == secondField { // a fraction of a second is no reason to refuse
		text, _, _ = strings.Cut(text, ".")
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= f.min && n <= f.max
}
