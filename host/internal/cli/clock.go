package cli

import (
	"fmt"
	"time"
)

// clockChange is an instant at which the clocks of a zone are set.
type clockChange struct {
	At   time.Time `json:"at"`
	Zone string    `json:"zone"`
	By   int       `json:"by_s"` // seconds, forward when positive
	From string    `json:"from"` // the wall clock before it: 02:00 CET
	To   string    `json:"to"`   // and after it: 03:00 CEST
}

func (c clockChange) String() string {
	direction, by := "forward", time.Duration(c.By)*time.Second
	if by < 0 {
		direction, by = "back", -by
	}
	return fmt.Sprintf("%s: clocks go %s by %s, %s → %s", c.Zone, direction, short(by), c.From, c.To)
}

// clockChanges are the instants in [from, to) at which the clocks of a zone are set. A zone that only gets
// another name counts for nothing.
func clockChanges(zone *time.Location, from, to time.Time) []clockChange {
	var all []clockChange
	for at := from.In(zone); ; {
		_, end := at.ZoneBounds()
		if end.IsZero() || !end.Before(to) || !end.After(at) {
			return all
		}
		before, after := end.Add(-time.Nanosecond).In(zone), end.In(zone)
		name, offset := before.Zone()
		_, next := after.Zone()
		if by := next - offset; by != 0 {
			last := end.In(time.FixedZone(name, offset))
			all = append(all, clockChange{At: end.UTC(), Zone: zone.String(), By: by, From: last.Format("15:04 MST"), To: after.Format("15:04 MST")})
		}
		at = end.In(zone)
	}
}

// oddClock says when a slot lies near a change of its zone's clocks: as they go forward, or in the time that comes twice as
// they go back.
func oddClock(at time.Time, zone *time.Location) string {
	start, end := at.In(zone).ZoneBounds()
	if !start.IsZero() {
		switch by := setBy(start, zone); {
		case by > 0 && start.Equal(at):
			return "as the clocks go forward"
		case by < 0 && at.Before(start.Add(-by)):
			return "in the time that comes twice, the second time"
		}
	}
	if !end.IsZero() {
		if by := setBy(end, zone); by < 0 && !at.Before(end.Add(by)) {
			return "in the time that comes twice, the first time"
		}
	}
	return ""
}

// setBy is how far the clocks of a zone are set at an instant.
func setBy(at time.Time, zone *time.Location) time.Duration {
	_, before := at.Add(-time.Nanosecond).In(zone).Zone()
	_, after := at.In(zone).Zone()
	return time.Duration(after-before) * time.Second
}
