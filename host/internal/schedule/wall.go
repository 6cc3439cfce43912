package schedule

import "time"

// Wall-clock times are counted here in seconds since 1970-01-01 00:00 on the wall, as if
// every day had 24 hours: a zone's offset added to a Unix time.

const (
	minuteSeconds = 60
	daySeconds    = 24 * 60 * 60
	lastMinute    = 24*60 - 1

	// searchYears bounds the search for a match. 29 February falls on a given weekday
	// again after at most 40 years.
	searchYears = 50
)

// atOrAfter returns the first wall-clock minute at or after wall that the pattern allows.
func (c Cron) atOrAfter(wall int64) (int64, bool) {
	wall = floor(wall+minuteSeconds-1, minuteSeconds)
	year, month, day := time.Unix(wall, 0).UTC().Date()
	days := floor(wall, daySeconds)
	minute := int((wall - days) / minuteSeconds)
	for last := year + searchYears; year <= last; {
		length := monthLength(year, month)
		if c.month>>month&1 == 0 {
			days += int64(length-day+1) * daySeconds
			day = length
		} else {
			if c.onDay(day, weekday(days)) {
				if m, ok := c.minuteFrom(minute); ok {
					return days + int64(m)*minuteSeconds, true
				}
			}
			days += daySeconds
		}
		minute = 0
		if day++; day > length {
			day = 1
			if month++; month > time.December {
				month = time.January
				year++
			}
		}
	}
	return 0, false
}

// before returns the last wall-clock minute before wall that the pattern allows.
func (c Cron) before(wall int64) (int64, bool) {
	wall = floor(wall-1, minuteSeconds)
	year, month, day := time.Unix(wall, 0).UTC().Date()
	days := floor(wall, daySeconds)
	minute := int((wall - days) / minuteSeconds)
	for last := year - searchYears; year >= last; {
		if c.month>>month&1 == 0 {
			days -= int64(day) * daySeconds
			day = 1
		} else {
			if c.onDay(day, weekday(days)) {
				if m, ok := c.minuteUpTo(minute); ok {
					return days + int64(m)*minuteSeconds, true
				}
			}
			days -= daySeconds
		}
		minute = lastMinute
		if day--; day == 0 {
			if month--; month < time.January {
				month = time.December
				year--
			}
			day = monthLength(year, month)
		}
	}
	return 0, false
}

// floor returns the greatest multiple of unit that is not above n.
func floor(n, unit int64) int64 {
	r := n % unit
	if r < 0 {
		r += unit
	}
	return n - r
}

// weekday of a day that begins at wall; 1970-01-01 was a Thursday.
func weekday(wall int64) int64 {
	return ((wall/daySeconds+int64(time.Thursday))%7 + 7) % 7
}

func monthLength(year int, month time.Month) int {
	switch month {
	case time.April, time.June, time.September, time.November:
		return 30
	case time.February:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
