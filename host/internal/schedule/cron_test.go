package schedule

import (
	"errors"
	"strings"
	"testing"
)

func TestParseCronAcceptsCrontabSyntax(t *testing.T) {
	t.Parallel()
	all := func(low, high, step int) (set uint64) {
		for v := low; v <= high; v += step {
			set |= 1 << v
		}
		return set
	}
	for _, c := range []struct {
		text                          string
		minute, hour, dom, month, dow uint64
	}{
		{"* * * * *", all(0, 59, 1), all(0, 23, 1), all(1, 31, 1), all(1, 12, 1), all(0, 6, 1)},
		{"5 4 3 2 1", 1 << 5, 1 << 4, 1 << 3, 1 << 2, 1 << 1},
		{"*/15 9-17 * * mon-fri", all(0, 59, 15), all(9, 17, 1), all(1, 31, 1), all(1, 12, 1), all(1, 5, 1)},
		{" 0\t0  1,15 JAN,Jul * ", 1, 1, 1<<1 | 1<<15, 1<<1 | 1<<7, all(0, 6, 1)},
		{"10-40/10 1/6 * * 0", all(10, 40, 10), all(1, 23, 6), all(1, 31, 1), all(1, 12, 1), 1},
		{"0 0 * * 7", 1, 1, all(1, 31, 1), all(1, 12, 1), 1},
		{"0 0 * * 5-7", 1, 1, all(1, 31, 1), all(1, 12, 1), 1<<5 | 1<<6 | 1},
		{"0 0 * * fri-sun", 1, 1, all(1, 31, 1), all(1, 12, 1), 1<<5 | 1<<6 | 1},
		{"0 0 * * */2", 1, 1, all(1, 31, 1), all(1, 12, 1), all(0, 6, 2)},
		{"0 0 29 2 *", 1, 1, 1 << 29, 1 << 2, all(0, 6, 1)},
		{"@daily", 1, 1, all(1, 31, 1), all(1, 12, 1), all(0, 6, 1)},
		{"@Weekly", 1, 1, all(1, 31, 1), all(1, 12, 1), 1},
		{"@yearly", 1, 1, 1 << 1, 1 << 1, all(0, 6, 1)},
	} {
		got, err := ParseCron(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		for _, f := range []struct {
			name      string
			got, want uint64
		}{
			{"minute", got.minute, c.minute}, {"hour", got.hour, c.hour}, {"dom", got.dom, c.dom},
			{"month", got.month, c.month}, {"dow", got.dow, c.dow},
		} {
			if f.got != f.want {
				t.Errorf("%q: %s is %b, want %b", c.text, f.name, f.got, f.want)
			}
		}
	}
}

func TestParseCronSaysWhatIsWrongAndWhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text   string
		at     string // the text at fault; "" is the whole
		detail string
		hint   string
	}{
		{"61 * * * *", "61", "minute 61 is out of range 0-59", ""},
		{"0 2,24 * * *", "24", "hour 24 is out of range 0-23", ""},
		{"0 0 0 * *", "0", "day of month 0 is out of range 1-31", ""},
		{"0 0 * 13 *", "13", "month 13 is out of range 1-12", ""},
		{"0 0 * * 8", "8", "day of week 8 is out of range 0-7", ""},
		{"0 0 * * 1-sat,x", "x", `day of week "x" is neither a number nor a name`, ""},
		{"0 0 * sept *", "sept", `month "sept" is neither a number nor a name`, `did you mean "sep"?`},
		{"0 22-6 * * *", "22-6", `hour has the range "22-6", which runs backwards`, `write "22-23,0-6"`},
		{"0 0 * nov-feb *", "nov-feb", `month has the range "nov-feb", which runs backwards`, `write "nov-dec,jan-feb"`},
		{"0 0 * * sat-mon", "sat-mon", `day of week has the range "sat-mon", which runs backwards`, `write "sat-sat,sun-mon"`},
		{"*/0 * * * *", "0", "minute has the step 0", ""},
		{"*/90 * * * *", "90", "minute has the step 90, which is longer than its range 0-59", "for longer periods"},
		{"*/x * * * *", "x", `minute has the step "x", which is no number`, ""},
		{"1,,2 * * * *", "", "minute has an empty list item", ""},
		{"1- * * * *", "", "minute has a range with an end missing", ""},
		{"*-5 * * * *", "*", `minute "*" is neither`, `"*" stands alone`},
		{"-5 * * * *", "", "minute has a range with an end missing", ""},
		{"+5 * * * *", "+5", `minute "+5" is neither`, ""},
		{"0 0 ? * *", "?", `day of month "?"`, `write "*"`},
		{"0 0 L * *", "L", `day of month "L"`, "not part of crontab"},
		{"0 0 * * mon#2", "mon#2", `day of week "mon#2"`, "not part of crontab"},
		{"0 0 0 * * *", "*", "cron has 6 fields, 5 are needed", "no field for seconds"},
		{"0 0 *", "", "cron has 3 fields, 5 are needed", ""},
		{"", "", "cron has 0 fields", ""},
		{"5", "", "cron has 1 field,", ""},
		{"@dayly", "@dayly", `unknown nickname "@dayly"`, `did you mean "@daily"?`},
		{"@every 5m", "", "cron has 2 fields", "use every"},
		{"@reboot", "@reboot", "unknown nickname", "run_on_start"},
		{"TZ=UTC 0 0 * * *", "TZ=UTC", "cron has 6 fields", "set time_zone"},
		{"0 0 31 2 *", "31 2", `cron "0 0 31 2 *" never occurs: day of month 31 does not exist in month 2`, ""},
		{"0 0 31 apr,jun,sep,nov *", "31 apr,jun,sep,nov", "never occurs", ""},
		{"0 0 " + strings.Repeat("1,", 600) + "1 * *", "", "cron is 1209 bytes long", ""},
	} {
		_, err := ParseCron(c.text)
		fault, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("%q: got error %v", c.text, err)
			continue
		}
		if !strings.Contains(fault.Detail, c.detail) || !strings.Contains(fault.Hint, c.hint) || c.hint == "" && fault.Hint != "" {
			t.Errorf("%q: got %q, hint %q", c.text, fault.Detail, fault.Hint)
		}
		if got := c.text[fault.Column : fault.Column+fault.Length]; got != c.at {
			t.Errorf("%q: points at %q, want %q", c.text, got, c.at)
		}
	}
}

func FuzzParseCron(f *testing.F) {
	for _, seed := range []string{"* * * * *", "*/5 9-17 * * mon-fri", "0 0 29 2 *", "@daily", "1,2-3/4 0 ? L W#", "\x00 \xff * * *"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCron(text)
		if err != nil {
			fault, ok := errors.AsType[*Error](err)
			if !ok || fault.Detail == "" || fault.Column < 0 || fault.Length < 0 || fault.Column+fault.Length > len(text) {
				t.Fatalf("%q: bad error %#v", text, err)
			}
			return
		}
		again, err := ParseCron(c.String())
		if err != nil || again.String() != c.String() || again.minute != c.minute || again.dow != c.dow {
			t.Fatalf("%q reads as %+v, its text as %+v (%v)", text, c, again, err)
		}
		if _, ok := c.atOrAfter(0); !ok {
			t.Fatalf("%q was accepted and never occurs", text)
		}
		if _, ok := c.before(0); !ok {
			t.Fatalf("%q has no time before 1970", text)
		}
	})
}
