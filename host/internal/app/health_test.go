package app

import (
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

func TestASlotThatNobodyLooksAfterShows(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 4, 0, 0, 0, time.UTC)
	of := func(next time.Time) []task.Status { return []task.Status{{Task: "a", NextSlot: next}} }
	for _, next := range []time.Time{{}, now.Add(time.Hour), now, now.Add(-overdueTime)} {
		if err := overdue(of(next), now); err != nil {
			t.Errorf("next slot %v: %v", next, err)
		}
	}
	if err := overdue(of(now.Add(-overdueTime-time.Second)), now); err == nil || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("%v, want an error that names the task", err)
	}
}
