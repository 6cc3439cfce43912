package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/schema"
)

// length is a flag that is a duration, as HCL writes it: 30s, 1h30m, 2d.
type length struct{ d time.Duration }

func (l *length) String() string {
	if l.d == 0 {
		return ""
	}
	return schema.FormatDuration(l.d)
}

func (l *length) Type() string { return "duration" }

func (l *length) Set(text string) error {
	d, err := schema.ParseDuration(text)
	if err != nil {
		return err
	}
	if d < 0 {
		return fmt.Errorf("%s is negative", text)
	}
	l.d = d
	return nil
}

// instant is a flag that is a time: RFC 3339, a date, a local time, or a duration from now.
type instant struct {
	a    *app
	back bool // a duration lies back, not ahead
	text string
	at   time.Time
}

func (i *instant) String() string { return i.text }

func (i *instant) Type() string { return "time" }

func (i *instant) Set(text string) error {
	i.text = text
	if d, err := schema.ParseDuration(text); err == nil {
		if i.back {
			d = -d
		}
		i.at = i.a.Now().Add(d)
		return nil
	}
	for _, form := range []string{time.RFC3339Nano, time.DateTime, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(form, text, i.a.Local); err == nil {
			i.at = at
			return nil
		}
	}
	if at, err := time.ParseInLocation("15:04", text, i.a.Local); err == nil {
		now := i.a.Now().In(i.a.Local)
		i.at = time.Date(now.Year(), now.Month(), now.Day(), at.Hour(), at.Minute(), 0, 0, i.a.Local)
		if !i.back && i.at.Before(now) {
			i.at = i.at.AddDate(0, 0, 1)
		}
		return nil
	}
	return fmt.Errorf("write 2026-11-21T12:00:00Z, 2026-11-21 12:00, 12:00, or a duration such as 2h")
}

// count is a flag that says how many things to show: at least one.
type count int

func (n *count) String() string { return strconv.Itoa(int(*n)) }

func (n *count) Type() string { return "number" }

func (n *count) Set(text string) error {
	v, err := strconv.Atoi(text)
	if err != nil || v < 1 {
		return errors.New("write a number from 1 on")
	}
	*n = count(v)
	return nil
}

// maxInput is what the host takes as a body.
const maxInput = 1 << 20

// readText is the text of a flag, of the file behind an @, or of stdin for -.
func (a *app) readText(flag, text string) ([]byte, error) {
	in := a.In
	if name, ok := strings.CutPrefix(text, "@"); ok {
		f, err := os.Open(name)
		if err != nil {
			return nil, usagef("read %s: %v", flag, err)
		}
		defer f.Close()
		in = f
	} else if text != "-" {
		return []byte(text), nil
	}
	data, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", flag, err)
	}
	if len(data) > maxInput {
		return nil, usagef("%s has more than %s", flag, schema.FormatBytes(maxInput))
	}
	return data, nil
}

// longest is how long one request waits; longer waits are several.
const longest = 50 * time.Second

// deadline is the end of a wait; the zero time for one without an end. It counts real time, whatever
// the terminal's clock says.
func (a *app) deadline(wait time.Duration) time.Time {
	if wait <= 0 {
		return time.Time{}
	}
	return time.Now().Add(wait)
}

// part is how long the next request may wait.
func part(end time.Time) time.Duration {
	if end.IsZero() {
		return longest
	}
	return min(max(time.Until(end), time.Millisecond), longest)
}

func over(end time.Time) bool { return !end.IsZero() && !time.Now().Before(end) }
