package schedule

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/task"
)

// walk finds the slots in [from, to) the slow way: it looks at the wall clock of every
// minute and remembers how far the clock had come.
func walk(spec string, zone *time.Location, from, to time.Time) []time.Time {
	words := strings.Fields(spec)
	real := strings.HasPrefix(words[1], "*")
	pattern := tableOf(words)
	var slots []time.Time
	asWall := func(t time.Time) time.Time {
		t = t.In(zone)
		return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
	}
	const lookBack = 27 * time.Hour
	front := asWall(from.Add(-lookBack)) // the next minute that the wall has not shown
	for at := from.Add(-lookBack); at.Before(to); at = at.Add(time.Minute) {
		shown := asWall(at)
		due := false
		switch {
		case real:
			due = pattern.allows(shown)
		default:
			for !front.After(shown) { // more than one step where minutes were skipped
				due = due || pattern.allows(front)
				front = front.Add(time.Minute)
			}
		}
		if due && !at.Before(from) {
			slots = append(slots, at)
		}
	}
	return slots
}

// table is a pattern read anew, value by value.
type table struct {
	minute, hour, dom, month, dow [64]bool
	either                        bool // day of month or day of week
}

func tableOf(words []string) *table {
	var t table
	for v := range 60 {
		t.minute[v] = inField(words[0], v, 0, 59)
		t.hour[v] = inField(words[1], v, 0, 23)
		t.dom[v] = inField(words[2], v, 1, 31)
		t.month[v] = inField(words[3], v, 1, 12)
		t.dow[v] = inField(words[4], v, 0, 6)
	}
	t.dow[0] = t.dow[0] || !strings.HasPrefix(words[4], "*") && inField(words[4], 7, 0, 7)
	t.either = !strings.HasPrefix(words[2], "*") && !strings.HasPrefix(words[4], "*")
	return &t
}

func (t *table) allows(wall time.Time) bool {
	dom, dow := t.dom[wall.Day()], t.dow[wall.Weekday()]
	day := dom && dow || t.either && (dom || dow)
	return day && t.minute[wall.Minute()] && t.hour[wall.Hour()] && t.month[wall.Month()]
}

func inField(text string, v, low, high int) bool {
	for _, item := range strings.Split(text, ",") {
		from, to, step := low, high, 1
		span, by, stepped := strings.Cut(item, "/")
		if stepped {
			fmt.Sscan(by, &step)
		}
		if span != "*" {
			n, _ := fmt.Sscanf(span, "%d-%d", &from, &to)
			if n == 1 && !stepped {
				to = from
			} else if n == 1 {
				to = high
			}
		}
		if v >= from && v <= to && (v-from)%step == 0 {
			return true
		}
	}
	return false
}

// collect asks the plan for the slots in [from, to).
func collect(p *Plan, from, to time.Time) []time.Time {
	return p.Between(from.Add(-1), to.Add(-1), 1<<20)
}

// checkAgainstWalk compares Next and Previous with the slow way in [from, to).
func checkAgainstWalk(t *testing.T, spec, zoneName string, from, to time.Time) {
	t.Helper()
	zone := mustZone(t, zoneName)
	p, err := Compile("x", task.Schedule{Cron: []string{spec}, TimeZone: zoneName})
	if err != nil {
		t.Fatalf("%q in %s: %v", spec, zoneName, err)
	}
	want := walk(spec, zone, from, to)
	got := collect(p, from, to)
	if !slices.EqualFunc(got, want, time.Time.Equal) {
		t.Fatalf("%q in %s, %s to %s:\n%s", spec, zoneName, from, to, cmp.Diff(want, got))
	}
	var back []time.Time
	for slot := p.Previous(to); !slot.IsZero() && !slot.Before(from); slot = p.Previous(slot) {
		back = append(back, slot)
	}
	slices.Reverse(back)
	if !slices.EqualFunc(back, want, time.Time.Equal) {
		t.Fatalf("%q in %s, %s back to %s:\n%s", spec, zoneName, to, from, cmp.Diff(want, back))
	}
}

func TestSlotsAroundEveryTransitionOfEveryZoneAreThoseOfTheWallClock(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	seen := map[string]bool{} // zones that share their transitions are links to one another
	zones, checked := 0, 0
	for _, name := range allZones(t) {
		changes := transitions(mustZone(t, name))
		key := fmt.Sprint(changes)
		if seen[key] {
			continue
		}
		seen[key] = true
		zones++
		for _, c := range changes {
			// The wall clock just before and after the transition, to aim at.
			gap := time.Duration(c.after-c.before) * time.Second
			wall := c.at.Add(time.Duration(min(c.before, c.after)) * time.Second)
			inside := wall.Add(time.Duration(rng.Int64N(int64(max(gap, -gap)))))
			spec := []string{
				fmt.Sprintf("%d %d * * *", inside.Minute(), inside.Hour()),
				fmt.Sprintf("%d,%d %d-%d * * *", inside.Minute(), (inside.Minute()+30)%60, inside.Hour(), min(inside.Hour()+2, 23)),
				fmt.Sprintf("%d %d %d %d *", inside.Minute(), inside.Hour(), inside.Day(), inside.Month()),
				fmt.Sprintf("*/%d * * * *", 1+rng.IntN(59)),
				fmt.Sprintf("%d */%d * * %d", inside.Minute(), 1+rng.IntN(23), int(inside.Weekday())),
				fmt.Sprintf("*/7 %d * * *", wall.Hour()),
				"0 0 * * *",
				fmt.Sprintf("%d %d %d * %d", inside.Minute(), inside.Hour(), 1+rng.IntN(28), rng.IntN(8)),
			}[checked%8]
			from := c.at.Add(-3 * time.Hour).Truncate(time.Minute)
			to := c.at.Add(3 * time.Hour)
			if gap > 3*time.Hour || gap < -3*time.Hour {
				from, to = c.at.Add(-26*time.Hour), c.at.Add(26*time.Hour)
			}
			checkAgainstWalk(t, spec, name, from, to)
			checked++
		}
	}
	t.Logf("%d transitions in %d different zones", checked, zones)
	if checked < 6000 {
		t.Errorf("only %d transitions were checked", checked)
	}
}

// Zones whose changes are out of the ordinary, each with many patterns.
func TestOddTransitionsFollowTheWallClock(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		zone string
		at   string
	}{
		{"Europe/Berlin", "2026-03-29T01:00:00Z"},
		{"Europe/Berlin", "2026-10-25T01:00:00Z"},
		{"America/Sao_Paulo", "2017-10-15T03:00:00Z"},   // midnight is skipped
		{"America/Sao_Paulo", "2018-02-18T02:00:00Z"},   // 23:00 comes twice
		{"Africa/Cairo", "2026-04-23T22:00:00Z"},        // midnight is skipped
		{"Australia/Lord_Howe", "2026-10-03T15:30:00Z"}, // half an hour
		{"Australia/Lord_Howe", "2026-04-04T15:00:00Z"},
		{"Pacific/Apia", "2011-12-30T10:00:00Z"},      // a day is skipped
		{"Asia/Kathmandu", "1985-12-31T18:30:00Z"},    // a quarter of an hour
		{"Africa/Casablanca", "2026-02-15T02:00:00Z"}, // back for Ramadan
		{"Antarctica/Troll", "2026-03-29T01:00:00Z"},  // two hours
		{"Asia/Pyongyang", "2018-05-04T15:00:00Z"},
		{"America/Caracas", "2016-05-01T07:00:00Z"},
		{"Pacific/Kwajalein", "1993-08-21T12:00:00Z"},
		{"America/Juneau", "1983-10-30T10:00:00Z"},
		{"Europe/Dublin", "2026-10-25T01:00:00Z"}, // winter time is the exception there
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range []string{
			"* * * * *", "*/15 * * * *", "30 * * * *", "0 0 * * *", "30 2 * * *", "15 1 * * *", "0 3 * * *", "0,30 0-4 * * *",
			"*/5 23 * * *", "59 23 * * *", "0 12 30 12 *", "0 12 31 * *", "0 0-23 * * *", "45 1,2,3 * * *", "30 */2 * * 0", "0 0 1 * 6",
		} {
			checkAgainstWalk(t, spec, c.zone, at.Add(-30*time.Hour), at.Add(30*time.Hour))
		}
	}
}
