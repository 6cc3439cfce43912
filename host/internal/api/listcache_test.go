package api_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestAListOfTasksIsNeverOlderThanAChange(t *testing.T) {
	t.Parallel()
	clock := &clock{at: apitest.Epoch}
	l := apitest.Start(t, "", func(c *api.Config) { c.Now = clock.now })
	c := client(t, l)
	list := func(q admin.TaskQuery) map[string]admin.Task {
		t.Helper()
		got, err := c.Tasks(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]admin.Task{}
		for _, one := range got.Items {
			all[one.Name] = one
		}
		return all
	}
	for n := range 20 {
		before, ok := l.Store.Status("quick")
		if !ok {
			t.Fatal("quick has no status")
		}
		before.Failures = n
		l.Store.SaveStatus(before)
		if got := list(admin.TaskQuery{})["quick"].Failures; got != n {
			t.Fatalf("the list says %d failures of %d", got, n)
		}
	}
	was := list(admin.TaskQuery{})["quick"].Note
	l.Store.Publish("quick", "count", json.RawMessage(`42`), clock.now())
	if now := list(admin.TaskQuery{})["quick"].Note; now == was || !strings.Contains(now, "42") {
		t.Errorf("the note was %q and is %q", was, now)
	}
	if got := list(admin.TaskQuery{Name: "quick"}); len(got) != 1 { // another query, another list
		t.Errorf("%d tasks", len(got))
	}

	// The time of a live run goes on, although nothing changes.
	s, _ := l.Store.Status("clock")
	s.Running = []task.Run{{ID: "01kb3v0000000000000000000a", Task: "clock", State: task.RunRunning, Started: clock.now(), Queued: clock.now()}}
	l.Store.SaveStatus(s)
	took := func() admin.Seconds { return *list(admin.TaskQuery{Name: "clock"})["clock"].Runs[0].Duration }
	first := took()
	clock.add(time.Minute)
	if now := took(); time.Duration(now-first) < time.Minute {
		t.Errorf("after a minute the run has taken %s, before %s", now, first)
	}
}
