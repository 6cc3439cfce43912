package systemd

import (
	"strings"
	"testing"
	"time"
)

func TestCalendarsBecomeCrons(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"daily":                       "0 0 * * *",
		"weekly":                      "0 0 * * mon",
		"quarterly":                   "0 0 1 1,4,7,10 *",
		"*-*-* 6,18:00":               "0 6,18 * * *",
		"Mon..Fri 09:30":              "30 9 * * mon-fri",
		"Sat,Thu,Mon *-*-* 00:00:00":  "0 0 * * sat,thu,mon",
		"Fri..Mon 22:15":              "15 22 * * fri,sat,sun,mon",
		"*:0/15":                      "*/15 * * * *",
		"*-*-* 0/2:05":                "5 0-23/2 * * *",
		"*-*-* 8..18:7/20:00":         "7-59/20 8-18 * * *",
		"*-1,7-01 03:00":              "0 3 1 1,7 *",
		"12-24 18:00":                 "0 18 24 12 *",
		"*-*-1/3 00:00":               "0 0 */3 * *",
		"Sunday 02:00 Europe/Berlin":  "0 2 * * sun",
		"*-*-* 04:00:00.5 UTC":        "0 4 * * *",
		"minutely":                    "* * * * *",
		"*-*-* *:*:20":                "",
		"*:*:0/10":                    "",
		"*-*-* 03:10:30":              "10 3 * * *",
		"wednesday 1:2":               "2 1 * * wed",
		"*-*-* 00..23:00..59/5:00":    "*/5 * * * *",
		"Mon,Tue *-*-* *:00,30:00":    "0,30 * * * mon,tue",
		"*-02-29 12:00 Asia/Tokyo":    "0 12 29 2 *",
		"Sat *-*-* 12:00 Europe/Rome": "0 12 * * sat",
	} {
		got, err := parseCalendar(text)
		if err != nil || got.cron != want {
			t.Errorf("%q: cron %q, %v; want %q", text, got.cron, err, want)
		}
	}
}

func TestCalendarsThatNoCronCanSayAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Sun *-*-1..7 03:00": "one or the other",
		"*-*~1 03:00":        "end of the month",
		"2027-01-01 00:00":   "year",
		"*:*:0/7":            "distance",
		"03:00:10,20":        "several seconds",
		"25:00":              "hour",
		"*-*-* 10..5:00":     "hour",
		"Montag 10:00":       "day of the week",
		"noon":               "day of the week",
		"10:00 11:00":        "too many",
		"*-*-* 0/0:00":       "hour",
		"*-02-30 00:00":      "never occurs",
		"03:00 Europe/Nope":  "Europe/Nope",
		"7":                  "neither",
		"":                   "no calendar",
	} {
		if got, err := parseCalendar(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestSecondsBecomeAFixedRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]time.Duration{
		"*:*:0/10": {10 * time.Second, 0}, "*:*:*": {time.Second, 0}, "*-*-* *:*:20": {time.Minute, 20 * time.Second},
	} {
		got, err := parseCalendar(text)
		if err != nil || got.every != want[0] || got.offset != want[1] {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestTimeSpansAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90": 90 * time.Second, "5min 20s": 320 * time.Second, "1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond, "1.5h": 90 * time.Minute, "2 weeks": 14 * day, "1M": month,
	} {
		if got, infinite, err := parseLength(text); err != nil || infinite || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, infinite, err := parseLength("infinity"); err != nil || !infinite {
		t.Error("infinity is a time span without an end")
	}
	for _, text := range []string{"", "soon", "5 parsecs", "-1s", "1.2.3", "999999999y"} {
		if got, _, err := parseLength(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestCommandsAreSplitAsSystemdDoes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`/bin/a "b c" 'd e' f\sg \x41`:   `/bin/a|b c|d e|f g|A`,
		`-@/bin/a zero one`:              `/bin/a|one`,
		`/bin/a ; /bin/b \; c`:           `/bin/a`,
		`:/bin/a $B`:                     `/bin/a|$B`,
		`/bin/a --x="y z" "" tail`:       `/bin/a|--x=y z||tail`,
		`!!/bin/a "quoted ; semicolon" `: `/bin/a|quoted ; semicolon`,
	} {
		got, err := parseCommand(text)
		if err != nil || strings.Join(got[0].words, "|") != want {
			t.Errorf("%s: %+v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-", `/bin/a "open`, ";"} {
		if got, err := parseCommand(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestVariablesOfACommandAreLeftToTheShell(t *testing.T) {
	t.Parallel()
	c, err := parseCommand(`/bin/a $WORDS "in${ONE}side" $$5 $not-a-variable *.gz`)
	if err != nil || !c[0].variables() {
		t.Fatal(c, err)
	}
	if got, want := c[0].shell(), `/bin/a $WORDS in"${ONE}"side '$'5 '$not-a-variable' '*.gz'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
