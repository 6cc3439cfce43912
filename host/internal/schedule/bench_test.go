package schedule

import (
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

func schedules() map[string]task.Schedule {
	return map[string]task.Schedule{
		"every":      {Every: 30 * time.Second},
		"cron-utc":   {Cron: []string{"*/5 * * * *"}},
		"cron-zone":  {Cron: []string{"15 2 * * *"}, TimeZone: "Europe/Berlin"},
		"cron-leap":  {Cron: []string{"0 0 29 2 *"}, TimeZone: "America/New_York"},
		"cron-union": {Cron: []string{"0 9 * * mon-fri", "0 12 * * sat"}, TimeZone: "Asia/Kathmandu"},
	}
}

func TestNextAndPreviousDoNotAllocate(t *testing.T) {
	now := at("2026-03-01T12:00:00.25Z")
	for name, s := range schedules() {
		p := mustCompile(t, "x", s)
		if n := testing.AllocsPerRun(100, func() { p.Next(now); p.Previous(now); p.NotBefore(now) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for name, s := range schedules() {
		p := mustCompile(b, "x", s)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			at := at("2026-03-01T12:00:00.25Z")
			for b.Loop() {
				p.Next(at)
			}
		})
	}
}
