package schema

import (
	"fmt"
	"math/big"
	"strings"
	"time"
)

const day = 24 * time.Hour

// durationForm ends every message about a text that is no duration.
const durationForm = `write a number with a unit (ns, us, ms, s, m, h, d), such as "10s", "1.5h" or "1d12h"`

// ParseDuration reads a duration as HCL and the SDK write it: Go's own form,
// optionally led by a number of days of 24 hours ("1d12h", "1.5d", "-2d").
// A text that is no duration, or one that does not fit into a
// [time.Duration], is an error that names the text and the accepted form.
func ParseDuration(s string) (time.Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, badDuration(s)
		}
		return d, nil
	}

	negative := strings.HasPrefix(days, "-")
	days = strings.TrimLeft(days, "+-")
	if len(s)-len(rest)-1-len(days) > 1 || len(days) > maxNumberText || !isDecimal(days) {
		return 0, badDuration(s)
	}
	count, ok := new(big.Rat).SetString(days)
	if !ok {
		return 0, badDuration(s)
	}
	count.Mul(count, new(big.Rat).SetInt64(int64(day)))
	total := new(big.Int).Quo(count.Num(), count.Denom())

	if rest != "" {
		// A sign may only stand in front of the whole.
		if rest[0] == '-' || rest[0] == '+' || rest == "0" {
			return 0, badDuration(s)
		}
		d, err := time.ParseDuration(rest)
		if err != nil {
			return 0, badDuration(s)
		}
		total.Add(total, big.NewInt(int64(d)))
	}
	if negative {
		total.Neg(total)
	}
	if !total.IsInt64() {
		return 0, fmt.Errorf("%q is longer than a duration can be (about 292 years)", clip(s))
	}
	return time.Duration(total.Int64()), nil
}

func badDuration(s string) error {
	return fmt.Errorf("%q is not a duration: %s", clip(s), durationForm)
}

// FormatDuration writes d in the largest units that are exact, without empty
// parts: "1m30s", "2d", "1d12h", "1.5ms", "0s". [ParseDuration] reads it back
// to the same value.
func FormatDuration(d time.Duration) string {
	if d > -time.Second && d < time.Second {
		return d.String()
	}

	var out strings.Builder
	left := uint64(d)
	if d < 0 {
		out.WriteByte('-')
		left = -left // in two's complement right for the smallest duration too
	}
	for _, unit := range []struct {
		size uint64
		name string
	}{{uint64(day), "d"}, {uint64(time.Hour), "h"}, {uint64(time.Minute), "m"}} {
		if n := left / unit.size; n > 0 {
			fmt.Fprintf(&out, "%d%s", n, unit.name)
			left %= unit.size
		}
	}
	if left > 0 {
		seconds := fmt.Sprintf("%d.%09d", left/uint64(time.Second), left%uint64(time.Second))
		out.WriteString(strings.TrimRight(strings.TrimRight(seconds, "0"), ".") + "s")
	}
	return out.String()
}

// maxNumberText bounds the digits of one number in a text, so that exact
// arithmetic on it stays cheap.
const maxNumberText = 64

// isDecimal reports whether s is digits with at most one point, and at least
// one digit.
func isDecimal(s string) bool {
	digits, points := 0, 0
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case r == '.':
			points++
		default:
			return false
		}
	}
	return digits > 0 && points <= 1
}

// clip shortens a text for a message.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
