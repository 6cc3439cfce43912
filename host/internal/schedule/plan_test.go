package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/task"
)

func mustCompile(t testing.TB, name string, s task.Schedule) *Plan {
	t.Helper()
	p, err := Compile(name, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func at(text string) time.Time {
	when, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return when
}

func TestCompileNamesTheAttributeAtFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		schedule task.Schedule
		field    string
		text     string
	}{
		{task.Schedule{}, "every", "set one of every, after and cron"},
		{task.Schedule{Every: time.Second, HasAfter: true}, "after", "every and after are set together"},
		{task.Schedule{Every: time.Second, Cron: []string{"* * * * *"}}, "cron", "every and cron"},
		{task.Schedule{Every: -time.Second}, "every", "shorter than 1ms"},
		{task.Schedule{Every: time.Microsecond}, "every", "shorter than 1ms"},
		{task.Schedule{Every: time.Second, Offset: time.Second, HasOffset: true}, "offset", "does not lie between"},
		{task.Schedule{Every: time.Second, Jitter: time.Second}, "jitter", "not shorter than every"},
		{task.Schedule{Every: time.Second, Jitter: -1}, "jitter", "negative"},
		{task.Schedule{After: -1, HasAfter: true}, "after", "negative"},
		{task.Schedule{Every: 1e9, CatchUp: task.CatchUp{Window: -1}}, "catch_up", "negative"},
		{task.Schedule{Every: 1e9, CatchUp: task.CatchUp{Max: -1}}, "catch_up", "negative"},
		{task.Schedule{Cron: []string{"@daily"}, TimeZone: "europe/berlin"}, "time_zone", `did you mean "Europe/Berlin"?`},
		{task.Schedule{Cron: []string{"@daily"}, TimeZone: "Mars/Base"}, "time_zone", `no time zone "Mars/Base"`},
		{task.Schedule{Cron: []string{"@daily"}, TimeZone: "Local"}, "time_zone", "another zone on every machine"},
		{task.Schedule{Cron: []string{"@daily", "61 * * * *"}}, "cron", "minute 61"},
	} {
		p, err := Compile("x", c.schedule)
		fault, ok := errors.AsType[*Error](err)
		if p != nil || !ok || fault.Field != c.field || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: got %v", c.schedule, err)
		}
		if strings.Contains(c.text, "minute 61") && fault != nil && fault.Index != 1 {
			t.Errorf("the fault is in cron %d", fault.Index)
		}
	}
}

func TestSlotsOfAGridLieOnItExactlyAndForEver(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		every := time.Duration(rapid.Int64Range(int64(MinPeriod), int64(400*24*time.Hour)).Draw(t, "every"))
		s := task.Schedule{Every: every}
		if rapid.Bool().Draw(t, "offset") {
			s.HasOffset = true
			s.Offset = time.Duration(rapid.Int64Range(0, int64(every)-1).Draw(t, "offset"))
		}
		p, err := Compile(rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "name"), s)
		if err != nil {
			t.Fatal(err)
		}
		if p.Phase() < 0 || p.Phase() >= every {
			t.Fatalf("phase %s of %s", p.Phase(), every)
		}
		// Anything from the year 1 to the year 9999.
		from := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "second"), rapid.Int64Range(0, 999999999).Draw(t, "nano"))
		next := p.Next(from)
		if d := next.Sub(from); d <= 0 || d > every {
			t.Fatalf("next slot after %s is %s later, every %s", from, d, every)
		}
		if previous := p.Previous(next); !previous.Equal(next.Add(-every)) {
			t.Fatalf("slot before %s is %s", next, previous)
		}
		if again := p.Next(next); !again.Equal(next.Add(every)) {
			t.Fatalf("slot after %s is %s", next, again)
		}
		// The distance to the epoch is k·every + phase.
		if seconds := next.Unix(); seconds > -9e9 && seconds < 9e9 {
			if r := (next.UnixNano() - int64(p.Phase())) % int64(every); r != 0 {
				t.Fatalf("slot %s is %d ns off the grid", next, r)
			}
		}
	})
}

func TestPhasesSpreadTasksOverThePeriod(t *testing.T) {
	t.Parallel()
	const tasks, parts = 1000, 10
	var counts [parts]int
	for i := range tasks {
		p := mustCompile(t, fmt.Sprintf("check.%d", i), task.Schedule{Every: time.Second})
		counts[p.Phase()*parts/time.Second]++
	}
	for i, n := range counts {
		if n < tasks/parts/2 || n > tasks/parts*3/2 {
			t.Errorf("%d of %d tasks have their phase in part %d: %v", n, tasks, i, counts)
		}
	}
}

// The phase and the jitter of a name must never change: a new build of the host would
// otherwise move every slot.
func TestPhaseAndJitterOfANameStayAsTheyAre(t *testing.T) {
	t.Parallel()
	p := mustCompile(t, "homepage", task.Schedule{Every: 30 * time.Second, Jitter: 2 * time.Second})
	if got := p.Phase(); got != 26677*time.Millisecond {
		t.Errorf("phase is %s", got)
	}
	slot := p.Next(at("2026-01-01T00:00:00Z"))
	if got := p.NotBefore(slot).Sub(slot); got != 1715276905 {
		t.Errorf("jitter is %d", got)
	}
}

func TestJitterIsStableAndSpread(t *testing.T) {
	t.Parallel()
	const jitter = 10 * time.Second
	p := mustCompile(t, "x", task.Schedule{Every: time.Minute, Jitter: jitter})
	q := mustCompile(t, "x", task.Schedule{Every: time.Minute, Jitter: jitter})
	var sum time.Duration
	const n = 2000
	slot := at("2026-01-01T00:00:00Z")
	for range n {
		slot = p.Next(slot)
		d := p.NotBefore(slot).Sub(slot)
		if d < 0 || d >= jitter {
			t.Fatalf("jitter %s", d)
		}
		if !q.NotBefore(slot.In(time.FixedZone("z", 3600))).Equal(p.NotBefore(slot)) {
			t.Fatal("the jitter of a slot changed")
		}
		sum += d
	}
	if mean := sum / n; mean < jitter*45/100 || mean > jitter*55/100 {
		t.Errorf("mean jitter is %s of %s", mean, jitter)
	}
}

func TestAFixedDelayCountsFromTheEnd(t *testing.T) {
	t.Parallel()
	end := at("2026-03-01T12:00:00.5Z")
	for after, want := range map[time.Duration]string{0: "2026-03-01T12:00:00.5Z", 5 * time.Second: "2026-03-01T12:00:05.5Z"} {
		p := mustCompile(t, "x", task.Schedule{After: after, HasAfter: true})
		if got := p.NextAfter(end); !got.Equal(at(want)) {
			t.Errorf("after %s: %s", after, got)
		}
		if !p.Next(end).IsZero() || !p.Previous(end).IsZero() || p.Between(end, end.Add(time.Hour), 10) != nil {
			t.Error("a fixed delay has slots of its own")
		}
	}
}

func TestSeveralCronsAreOneScheduleWithoutDuplicates(t *testing.T) {
	t.Parallel()
	p := mustCompile(t, "x", task.Schedule{Cron: []string{"0 6,12 * * *", "0 12,18 * * *"}, TimeZone: "UTC"})
	got := p.Between(at("2026-03-01T00:00:00Z"), at("2026-03-01T23:00:00Z"), 10)
	want := []time.Time{at("2026-03-01T06:00:00Z"), at("2026-03-01T12:00:00Z"), at("2026-03-01T18:00:00Z")}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	if got := p.Previous(at("2026-03-01T18:00:00Z")); !got.Equal(want[1]) {
		t.Errorf("previous is %s", got)
	}
}

// The table of the docs, in words that people can check by hand.
func TestCronsAtTransitions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, cron, zone, from string
		want                   []string
	}{
		{"a skipped time runs once at the transition", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"several skipped times run once together", "0,15,30 2,3 * * *", "Europe/Berlin", "2026-03-29T00:59:59Z",
			[]string{"2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z", "2026-03-29T01:30:00Z"}},
		{"a repeated time runs the first time", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"every hour follows real time when hours repeat", "30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z",
			[]string{"2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"}},
		{"every hour follows real time when one is skipped", "30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
			[]string{"2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z"}},
		{"a skipped midnight", "0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z",
			[]string{"2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"}},
		{"a skipped day", "0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z",
			[]string{"2011-12-30T10:00:00Z", "2012-12-29T22:00:00Z"}},
		{"half an hour of daylight saving", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z",
			[]string{"2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"}},
		{"leap day", "0 0 29 2 *", "UTC", "2095-01-01T00:00:00Z",
			[]string{"2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z"}},
		{"day of month or day of week", "0 0 13 * fri", "UTC", "2026-02-12T00:00:00Z",
			[]string{"2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-06T00:00:00Z", "2026-03-13T00:00:00Z"}},
		{"a day field that begins with a star narrows the other", "0 0 */2 * mon", "UTC", "2026-06-01T00:00:00Z",
			[]string{"2026-06-15T00:00:00Z", "2026-06-29T00:00:00Z", "2026-07-13T00:00:00Z"}},
		{"the last day of a leap year", "0 0 * * *", "America/New_York", "2040-12-30T12:00:00Z",
			[]string{"2040-12-31T05:00:00Z", "2041-01-01T05:00:00Z"}},
	} {
		p := mustCompile(t, "x", task.Schedule{Cron: []string{c.cron}, TimeZone: c.zone})
		from := at(c.from)
		for _, want := range c.want {
			from = p.Next(from)
			if !from.Equal(at(want)) {
				t.Errorf("%s: got %s, want %s", c.name, from, want)
				break
			}
		}
	}
}

func TestNextAndPreviousAreInverse(t *testing.T) {
	t.Parallel()
	zones := allZones(t)
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(zones).Draw(t, "zone")
		p, err := Compile("x", task.Schedule{Cron: []string{cronText(t)}, TimeZone: zone})
		if err != nil {
			t.Skip(err)
		}
		// From 1800 on, so that local mean times with odd seconds are seen too.
		from := time.Unix(rapid.Int64Range(-5364662400, 4102444800).Draw(t, "second"), rapid.Int64Range(0, 2).Draw(t, "nano"))
		next := p.Next(from)
		if !next.After(from) {
			t.Fatalf("next of %s is %s", from, next)
		}
		if previous := p.Previous(next); previous.After(from) {
			t.Fatalf("%s lies between %s and its next slot %s", previous, from, next)
		} else if !p.Next(previous).Equal(next) {
			t.Fatalf("next of previous %s is %s, not %s", previous, p.Next(previous), next)
		}
		if previous := p.Previous(next.Add(1)); !previous.Equal(next) {
			t.Fatalf("previous of just after %s is %s", next, previous)
		}
	})
}

// cronText draws an expression that the cron libraries read as we do.
func cronText(t *rapid.T) string {
	item := func(low, high int, label string) string {
		a := rapid.IntRange(low, high).Draw(t, label)
		b := rapid.IntRange(a, high).Draw(t, label+" end")
		kind := rapid.IntRange(0, 2).Draw(t, label+" kind")
		switch {
		case kind == 0 || a == b || a == low && b == high: // cronexpr takes some of these for a star
			return fmt.Sprint(a)
		case kind == 1:
			return fmt.Sprintf("%d-%d", a, b)
		}
		return fmt.Sprintf("%d-%d/%d", a, b, max(1, rapid.IntRange(1, max(1, b-a)).Draw(t, label+" step")))
	}
	list := func(low, high int, label string) string {
		text := item(low, high, label)
		if rapid.Bool().Draw(t, label+" list") {
			text += "," + item(low, high, label)
		}
		return text
	}
	free := func(low, high int, label string, stars bool) string {
		switch rapid.IntRange(0, 3).Draw(t, label+" star") {
		case 0:
			return "*"
		case 1:
			if stars {
				return fmt.Sprintf("*/%d", rapid.IntRange(1, (high-low)/2).Draw(t, label+" step"))
			}
			return "*"
		}
		return list(low, high, label)
	}
	return strings.Join([]string{
		free(0, 59, "minute", true), free(0, 23, "hour", true), free(1, 31, "dom", false), free(1, 12, "month", true), free(0, 6, "dow", false),
	}, " ")
}

func TestDescribeIsShort(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]task.Schedule{
		"every 30s":                           {Every: 30 * time.Second},
		"every 1h":                            {Every: time.Hour},
		"every 1h30m":                         {Every: 90 * time.Minute},
		"every 10m":                           {Every: 10 * time.Minute},
		"after 0s":                            {HasAfter: true},
		"after 5s":                            {HasAfter: true, After: 5 * time.Second},
		"cron 15 2 * * * (Europe/Berlin)":     {Cron: []string{"15  2 * * *"}, TimeZone: "Europe/Berlin"},
		"cron @daily, 0 12 * * mon-fri (UTC)": {Cron: []string{"@daily", "0 12 * * mon-fri"}},
	} {
		if got := mustCompile(t, "x", s).Describe(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
