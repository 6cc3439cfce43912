package api_test

import (
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// taken is what a test says that processes take.
type taken struct {
	by      map[int]task.Usage
	version uint64
}

func (u *taken) Of(p task.ProcessInfo) (task.Usage, bool) { one, ok := u.by[p.PID]; return one, ok }
func (u *taken) Version() uint64                          { return u.version }

func TestTasksSayWhatTheirProcessesTake(t *testing.T) {
	t.Parallel()
	usage := &taken{by: map[int]task.Usage{}}
	l := apitest.Start(t, "", func(c *api.Config) { c.Usage = usage })
	c := client(t, l)
	s, _ := l.Store.Status("quick")
	s.Processes = []task.ProcessInfo{{PID: 41, State: "ready", Started: apitest.Epoch}, {PID: 42, State: "launching", Started: apitest.Epoch}}
	l.Store.SaveStatus(s)
	of := func() []admin.ProcessInfo {
		t.Helper()
		got, err := c.Tasks(t.Context(), admin.TaskQuery{Name: "quick"})
		if err != nil || len(got.Items) != 1 {
			t.Fatalf("%d tasks, %v", len(got.Items), err)
		}
		return got.Items[0].Processes
	}
	if p := of(); p[0].Usage != nil || p[1].Usage != nil {
		t.Errorf("before a look they take %+v and %+v", p[0].Usage, p[1].Usage)
	}
	usage.by[41] = task.Usage{At: apitest.Epoch, Percent: 12.345, CPU: 1500 * time.Millisecond, RSS: 4096, Tree: true, SharedBy: 3}
	usage.version++
	if p := of(); p[0].Usage == nil || *p[0].Usage != (admin.Usage{At: admin.At(apitest.Epoch), CPUPercent: 12.3, CPU: admin.Seconds(1500 * time.Millisecond), RSS: 4096, Of: "tree", SharedBy: 3}) || p[1].Usage != nil {
		t.Errorf("after a look they take %+v and %+v", p[0].Usage, p[1].Usage)
	}
	one, err := c.Task(t.Context(), "quick")
	if err != nil || one.Processes[0].Usage == nil {
		t.Errorf("the task alone: %+v, %v", one.Processes, err)
	}
}
