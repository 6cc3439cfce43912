package systemd

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var units = map[string]time.Duration{
	"": time.Second, "us": time.Microsecond, "usec": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond, "msec": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": day, "day": day, "days": day, "w": 7 * day, "week": 7 * day, "weeks": 7 * day,
	"M": month, "month": month, "months": month, "y": year, "year": year, "years": year,
}

const (
	day   = 24 * time.Hour
	year  = 8766 * time.Hour // 365.25 days
	month = year / 12
)

// infinity is a time span, or a size, without an end.
const infinity = "infinity"

// parseLength reads a time span: 90, 5min 20s, 1h30m. "infinity" is ok and 0.
func parseLength(text string) (d time.Duration, infinite bool, err error) {
	if text == infinity {
		return 0, true, nil
	}
	rest := strings.ReplaceAll(text, " ", "")
	if rest == "" {
		return 0, false, fmt.Errorf("there is no time span")
	}
	for rest != "" {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		number, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, false, fmt.Errorf("%q is no time span", clip(text))
		}
		rest = rest[n:]
		w := strings.IndexAny(rest, "0123456789.")
		if w < 0 {
			w = len(rest)
		}
		unit, ok := units[rest[:w]]
		if !ok {
			return 0, false, fmt.Errorf("%q is no time span", clip(text))
		}
		rest = rest[w:]
		sum := float64(d) + number*float64(unit)
		if sum > float64(math.MaxInt64)/4 {
			return 0, false, fmt.Errorf("%q is too long", clip(text))
		}
		d = time.Duration(sum)
	}
	return d, false, nil
}

// parseSize reads a size with a suffix to the base 1024. "infinity" is ok and 0.
func parseSize(text string) (int64, bool) {
	if text == infinity {
		return 0, true
	}
	if text == "" {
		return 0, false
	}
	shift := 0
	if i := strings.IndexByte("KMGT", text[len(text)-1]); i >= 0 {
		shift = 10 * (i + 1)
		text = text[:len(text)-1]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>shift {
		return 0, false
	}
	return n << shift, true
}
