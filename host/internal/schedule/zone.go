package schedule

import (
	"math"
	"time"
)

// span is a stretch of real time, [start, end) in Unix seconds, in which a zone has one offset.
type span struct {
	start, end int64
	offset     int64 // seconds east of UTC
}

// The ends of time where a zone has no transition any more.
const (
	never    = math.MinInt64 / 4
	forever  = math.MaxInt64 / 4
	maxShift = 27 * 60 * 60 // no zone ever moved by more
)

// spanAt returns a span of the zone that holds the Unix second. Beyond the transitions that
// a zone lists, spans end with every year as well, so neighbours may share an offset.
func spanAt(zone *time.Location, second int64) span {
	t := time.Unix(second, 0).In(zone)
	_, offset := t.Zone()
	s := span{start: never, end: forever, offset: int64(offset)}
	from, to := t.ZoneBounds()
	if !from.IsZero() {
		s.start = from.Unix()
	}
	if !to.IsZero() {
		s.end = to.Unix()
	}
	if s.end <= second {
		// ZoneBounds takes every year for 365 days long: on 31 December of a leap year
		// it names that day's beginning. No zone changes its offset on that day.
		s.end = floor(second, daySeconds) + daySeconds
	}
	return s
}

// front returns how far the wall clock had come before the span began: wall-clock times
// before it have been shown, or skipped, already. Where the clock was set back, it lies
// inside the span; where it was set forward, it lies before the span's first wall-clock time.
func (s span) front(zone *time.Location) int64 {
	if s.start == never {
		return never
	}
	front := int64(never)
	for at := s.start; ; {
		earlier := spanAt(zone, at-1)
		front = max(front, at+earlier.offset)
		if at = earlier.start; at < s.start-maxShift {
			return front
		}
	}
}

// next returns the first slot, in Unix seconds, that is not before from.
func (c Cron) next(zone *time.Location, from int64) (int64, bool) {
	for {
		s := spanAt(zone, from)
		wall := from + s.offset
		if !c.real {
			front := s.front(zone)
			if from == s.start && c.between(front, wall) {
				return from, true // the wall clock has just skipped a slot
			}
			wall = max(wall, front)
		}
		match, ok := c.atOrAfter(wall)
		if !ok {
			return 0, false
		}
		if match < s.end+s.offset {
			return match - s.offset, true
		}
		from = s.end
	}
}

// previous returns the last slot, in Unix seconds, before the given second.
func (c Cron) previous(zone *time.Location, before int64) (int64, bool) {
	for {
		s := spanAt(zone, before-1)
		first, front := s.start+s.offset, int64(never)
		if !c.real {
			front = s.front(zone)
		}
		match, ok := c.before(before + s.offset)
		if !ok {
			return 0, false
		}
		if match >= max(first, front) {
			return match - s.offset, true
		}
		if !c.real && c.between(front, first) {
			return s.start, true
		}
		before = s.start
	}
}

// between reports whether the pattern allows a wall-clock time in [from, to).
func (c Cron) between(from, to int64) bool {
	if from >= to || from == never {
		return false
	}
	match, ok := c.atOrAfter(from)
	return ok && match < to
}
