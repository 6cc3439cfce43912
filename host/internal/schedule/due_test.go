package schedule

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/task"
)

func TestDueFollowsTheCatchUpPolicy(t *testing.T) {
	t.Parallel()
	hourly := func(c task.CatchUp) task.Schedule {
		return task.Schedule{Cron: []string{"0 * * * *"}, CatchUp: c}
	}
	latest, none, all := task.CatchUpLatest, task.CatchUpNone, task.CatchUpAll
	day := "2026-03-01T"
	for _, c := range []struct {
		name      string
		schedule  task.Schedule
		last, now string
		run       []string
		missed    []string // first, last
		count     int
	}{
		{"nothing is due before the slot", hourly(task.CatchUp{Policy: latest}), "05:00:00", "05:59:59.999", nil, nil, 0},
		{"a slot on time runs, whatever the policy", hourly(task.CatchUp{Policy: none}), "05:00:00", "06:00:00", []string{"06:00:00"}, nil, 0},
		{"half a minute late is on time", hourly(task.CatchUp{Policy: none}), "05:00:00", "06:00:30", []string{"06:00:00"}, nil, 0},
		{"none: a late slot is missed", hourly(task.CatchUp{Policy: none}), "05:00:00", "06:00:31", nil, []string{"06:00:00", "06:00:00"}, 1},
		{"none: only the newest can be on time", hourly(task.CatchUp{Policy: none}), "01:00:00", "06:00:01", []string{"06:00:00"}, []string{"02:00:00", "05:00:00"}, 4},
		{"latest: the newest within half the distance", hourly(task.CatchUp{Policy: latest}), "01:00:00", "06:30:00", []string{"06:00:00"}, []string{"02:00:00", "05:00:00"}, 4},
		{"latest: older than half the distance", hourly(task.CatchUp{Policy: latest}), "01:00:00", "06:30:01", nil, []string{"02:00:00", "06:00:00"}, 5},
		{"latest: the window says how old", hourly(task.CatchUp{Policy: latest, Window: 50 * time.Minute}), "05:00:00", "06:45:00", []string{"06:00:00"}, nil, 0},
		{"latest: a narrow window", hourly(task.CatchUp{Policy: latest, Window: time.Minute}), "05:00:00", "06:02:00", nil, []string{"06:00:00", "06:00:00"}, 1},
		{"all: in order", hourly(task.CatchUp{Policy: all}), "03:00:00", "06:45:00", []string{"04:00:00", "05:00:00", "06:00:00"}, nil, 0},
		{"all: capped", hourly(task.CatchUp{Policy: all, Max: 2}), "01:00:00", "06:45:00", []string{"05:00:00", "06:00:00"}, []string{"02:00:00", "04:00:00"}, 3},
		{"all: within the window", hourly(task.CatchUp{Policy: all, Window: 2 * time.Hour}), "01:00:00", "06:45:00", []string{"05:00:00", "06:00:00"}, []string{"02:00:00", "04:00:00"}, 3},
		{"a step back of the clock fires nothing again", hourly(task.CatchUp{Policy: all}), "06:00:00", "05:00:00.1", nil, nil, 0},
		{"the high-water mark itself does not fire again", hourly(task.CatchUp{Policy: all}), "06:00:00", "06:00:00", nil, nil, 0},
		{"a fast grid runs its newest slot however late the look", task.Schedule{Every: 100 * time.Millisecond, HasOffset: true, CatchUp: task.CatchUp{Policy: none}},
			"06:00:00", "06:00:00.55", []string{"06:00:00.5"}, []string{"06:00:00.1", "06:00:00.4"}, 4},
		{"a delay is due after its time", task.Schedule{After: time.Minute, HasAfter: true}, "06:00:00", "07:00:00", []string{"06:01:00"}, nil, 0},
		{"a delay is not due before", task.Schedule{After: time.Minute, HasAfter: true}, "06:00:00", "06:00:59", nil, nil, 0},
	} {
		p := mustCompile(t, "x", c.schedule)
		got := p.Due(at(day+c.last+"Z"), at(day+c.now+"Z"), task.MissedDowntime)
		var want Due
		for _, slot := range c.run {
			want.Run = append(want.Run, at(day+slot+"Z"))
		}
		if c.missed != nil {
			want.Missed = []task.SlotRecord{{Task: "x", Reason: task.MissedDowntime, First: at(day + c.missed[0] + "Z"), Last: at(day + c.missed[1] + "Z"), Count: c.count}}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

func TestATaskWithoutHistoryHasMissedNothing(t *testing.T) {
	t.Parallel()
	p := mustCompile(t, "x", task.Schedule{Every: time.Hour, CatchUp: task.CatchUp{Policy: task.CatchUpAll}})
	if due := p.Due(time.Time{}, at("2026-03-01T12:00:00Z"), task.MissedDowntime); due.Run != nil || due.Missed != nil {
		t.Errorf("got %+v", due)
	}
	q := mustCompile(t, "x", task.Schedule{HasAfter: true, After: time.Hour})
	now := at("2026-03-01T12:00:00Z")
	if due := q.Due(time.Time{}, now, task.MissedDowntime); len(due.Run) != 1 || !due.Run[0].Equal(now) {
		t.Errorf("got %+v", due)
	}
}

// No due time disappears: over any sequence of looks at any clock, each slot up to the
// furthest look is in exactly one answer.
func TestEverySlotIsRunOrMissedExactlyOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := task.Schedule{CatchUp: task.CatchUp{
			Policy: rapid.SampledFrom([]task.CatchUpPolicy{task.CatchUpNone, task.CatchUpLatest, task.CatchUpAll}).Draw(t, "policy"),
			Window: time.Duration(rapid.IntRange(0, 200).Draw(t, "window")) * time.Minute,
			Max:    rapid.IntRange(0, 5).Draw(t, "max"),
		}}
		if rapid.Bool().Draw(t, "cron") {
			s.Cron = []string{"*/20 * * * *", "7 1-22 * * *"}
			s.TimeZone = "Europe/Berlin"
		} else {
			s.Every = time.Duration(rapid.Int64Range(int64(7*time.Minute), int64(3*time.Hour)).Draw(t, "every"))
		}
		p, err := Compile("x", s)
		if err != nil {
			t.Fatal(err)
		}
		start := at("2026-03-28T00:00:00Z")
		now, last, furthest := start, start, start
		var answered []time.Time
		for range rapid.IntRange(1, 20).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.Int64Range(int64(-2*time.Hour), int64(8*time.Hour)).Draw(t, "step")))
			due := p.Due(last, now, task.MissedClock)
			for _, m := range due.Missed {
				slots := p.Between(m.First.Add(-1), m.Last, 1<<20)
				if len(slots) != m.Count || !slots[0].Equal(m.First) || !slots[m.Count-1].Equal(m.Last) {
					t.Fatalf("the record %+v stands for %v", m, slots)
				}
				answered = append(answered, slots...)
			}
			answered = append(answered, due.Run...)
			if len(answered) > 0 {
				last = answered[len(answered)-1]
			}
			if now.After(furthest) {
				furthest = now
			}
		}
		if diff := cmp.Diff(p.Between(start, furthest, 1<<20), answered); diff != "" {
			t.Fatal(diff)
		}
	})
}
