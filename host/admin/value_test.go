package admin_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/admin"
)

func TestTimesHaveNineDigitsAndSortAsText(t *testing.T) {
	t.Parallel()
	berlin := time.FixedZone("CET", 3600)
	for at, want := range map[time.Time]string{
		time.Date(2026, 11, 21, 12, 3, 4, 118203114, time.UTC): `"2026-11-21T12:03:04.118203114Z"`,
		time.Date(2026, 11, 21, 13, 0, 0, 0, berlin):           `"2026-11-21T12:00:00.000000000Z"`,
	} {
		got, err := json.Marshal(admin.At(at))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", at, got, err, want)
		}
		var back admin.Time
		if err := json.Unmarshal(got, &back); err != nil || !back.Equal(at) {
			t.Errorf("%s came back as %s, %v", at, back, err)
		}
	}
	var back admin.Time
	for _, bad := range []string{`"yesterday"`, `12`, `"2026-11-21"`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was taken for a time", bad)
		}
	}
}

func TestSecondsAreNumbersWithoutRounding(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0", time.Second: "1", 31 * time.Millisecond: "0.031", -1500 * time.Millisecond: "-1.5", time.Nanosecond: "0.000000001", 90 * time.Minute: "5400",
	} {
		if got, err := json.Marshal(admin.Seconds(d)); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", d, got, err, want)
		}
	}
	for text, want := range map[string]time.Duration{`1.5`: 1500 * time.Millisecond, `"500ms"`: 500 * time.Millisecond, `"1h30m"`: 90 * time.Minute, `null`: 0} {
		var s admin.Seconds
		if err := json.Unmarshal([]byte(text), &s); err != nil || s.Duration() != want {
			t.Errorf("%s: %s, %v; want %s", text, s, err, want)
		}
	}
	for _, bad := range []string{`"soon"`, `1e300`, `{}`, `true`} {
		var s admin.Seconds
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%s was taken for a duration: %s", bad, s)
		}
	}
}

func TestSecondsComeBackAsTheyWent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := admin.Seconds(rapid.Int64Range(-int64(1e15), int64(1e15)).Draw(t, "d"))
		text, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		var back admin.Seconds
		if err := json.Unmarshal(text, &back); err != nil || back != d {
			t.Fatalf("%d went as %s and came back as %d, %v", d, text, back, err)
		}
	})
}

func TestPrintableShowsControlCharacters(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain – text": "plain – text", "a\tb": "a\tb", "\x1b[2J": `\x1b[2J`, "a\nb": `a\x0ab`, "bad \xff": "bad \ufffd", "\u202e": `\u202e`,
	} {
		if got := admin.Printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if long := strings.Repeat("x", 1000); admin.Printable(long) != long {
		t.Error("a long text was changed")
	}
}
