package admin

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Time is an instant. In JSON it is RFC 3339 in UTC with exactly nine fractional
// digits, so that texts sort as instants do. The zero Time is left out.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

// At makes a Time of t.
func At(t time.Time) Time { return Time{t} }

// String is the JSON form without quotes.
func (t Time) String() string { return t.UTC().Format(timeLayout) }

// MarshalJSON writes the nine-digit form.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.String() + `"`), nil
}

// UnmarshalJSON reads any RFC 3339 time.
func (t *Time) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("a time is a string such as %q", "2026-11-21T12:00:00Z")
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return fmt.Errorf("%q is no RFC 3339 time such as %q", text, "2026-11-21T12:00:00Z")
	}
	t.Time = at.UTC()
	return nil
}

// Seconds is a length of time. In JSON it is a number of seconds; a request may also
// say it as text with units ("500ms", "1h30m").
type Seconds time.Duration

// Duration is s as the standard library has it.
func (s Seconds) Duration() time.Duration { return time.Duration(s) }

// String is the form with units, such as "1m30s".
func (s Seconds) String() string { return time.Duration(s).String() }

// MarshalJSON writes the number of seconds without rounding.
func (s Seconds) MarshalJSON() ([]byte, error) {
	sign, n := "", int64(s)
	whole, part := n/int64(time.Second), n%int64(time.Second)
	if n < 0 {
		sign, whole, part = "-", -whole, -part
	}
	if part == 0 {
		return []byte(sign + strconv.FormatInt(whole, 10)), nil
	}
	return []byte(sign + strconv.FormatInt(whole, 10) + "." + strings.TrimRight(fmt.Sprintf("%09d", part), "0")), nil
}

// UnmarshalJSON reads a number of seconds or text with units.
func (s *Seconds) UnmarshalJSON(data []byte) error {
	const want = `a duration is a number of seconds or text such as "500ms" or "1h30m"`
	if string(data) == "null" {
		return nil
	}
	var text string
	if json.Unmarshal(data, &text) == nil {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%s, not %q", want, text)
		}
		*s = Seconds(d)
		return nil
	}
	var number json.Number
	if err := json.Unmarshal(data, &number); err != nil {
		return fmt.Errorf("%s", want)
	}
	f, err := number.Float64()
	if err != nil || math.Abs(f) > math.MaxInt64/float64(time.Second) {
		return fmt.Errorf("%s within 292 years, not %s", want, number)
	}
	whole, part := math.Modf(f)
	*s = Seconds(time.Duration(whole)*time.Second + time.Duration(math.Round(part*1e9)))
	return nil
}

// List is one page of things. NextCursor asks for the next page; it is null on the last.
type List[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// Next is the cursor of the next page, "" on the last.
func (l List[T]) Next() string {
	if l.NextCursor == nil {
		return ""
	}
	return *l.NextCursor
}

// Collect reads pages, of which some may be empty, until it has n things or there are no more.
func Collect[T any](n int, read func(limit int, cursor string) (List[T], error)) ([]T, error) {
	var all []T
	for cursor := ""; len(all) < n; {
		l, err := read(min(n-len(all), maxPage), cursor)
		if err != nil {
			return nil, err
		}
		all = append(all, l.Items...)
		if cursor = l.Next(); cursor == "" {
			break
		}
	}
	return all, nil
}

// maxPage is the longest page that a host gives.
const maxPage = 500
