package schedule

import (
	"slices"
	"testing"
	"time"

	"github.com/adhocore/gronx"
	"github.com/hashicorp/cronexpr"
	"github.com/netresearch/go-cron"
	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/task"
)

// The libraries have other rules at transitions of a zone, so slots within a day of one
// are left out; what a day field such as "*/2" means is left out of the expressions.
func TestCronsAgreeWithTheLibraries(t *testing.T) {
	t.Parallel()
	zones := allZones(t)
	changes := map[string][]transition{}
	parser := cron.MustNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.DowOrDom)
	compared := 0
	rapid.Check(t, func(t *rapid.T) {
		name, text := rapid.SampledFrom(zones).Draw(t, "zone"), cronText(t)
		p, err := Compile("x", task.Schedule{Cron: []string{text}, TimeZone: name})
		if err != nil {
			t.Skip(err) // never occurs
		}
		zone := p.Zone()
		if _, ok := changes[name]; !ok {
			changes[name] = transitions(zone)
		}
		parsed, err := parser.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		spec := parsed.(*cron.SpecSchedule)
		spec.Location = zone
		spec.MaxSearchYears = searchYears
		expression, err := cronexpr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Unix(rapid.Int64Range(firstYear.Unix(), pastYear.Unix()).Draw(t, "from"), 0).In(zone)
		for range 5 {
			next := p.Next(from)
			if nearTransition(changes[name], from) || nearTransition(changes[name], next) || next.Sub(from) > 4*365*24*time.Hour {
				return
			}
			// go-cron loses an hour when its search passes a midnight that a zone skips.
			if got := spec.Next(from); !got.Equal(next) && !transitionBetween(changes[name], from, next) {
				t.Fatalf("%q in %s after %s: go-cron says %s, we say %s", text, name, from, got, next.In(zone))
			}
			if got := expression.Next(from); !got.Equal(next) {
				t.Fatalf("%q in %s after %s: cronexpr says %s, we say %s", text, name, from, got, next.In(zone))
			}
			// gronx has been seen to give the time that it was asked from, which is no slot after it.
			if got, err := gronx.NextTickAfter(text, from, false); err == nil && got.After(from) && !got.Equal(next) {
				t.Fatalf("%q in %s after %s: gronx says %s, we say %s", text, name, from, got, next.In(zone))
			}
			compared++
			from = next.In(zone)
		}
	})
	if compared < 50 {
		t.Errorf("only %d slots were compared", compared)
	}
}

func transitionBetween(changes []transition, from, to time.Time) bool {
	return slices.ContainsFunc(changes, func(c transition) bool { return c.at.After(from) && c.at.Before(to) })
}

func nearTransition(changes []transition, t time.Time) bool {
	const day = 25 * time.Hour
	return slices.ContainsFunc(changes, func(c transition) bool { return t.After(c.at.Add(-day)) && t.Before(c.at.Add(day)) })
}
