package usage

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

var epoch = time.Date(2026, 11, 28, 7, 0, 0, 0, time.UTC)

// world is a machine whose processes a test declares.
type world struct {
	*Sampler
	at       time.Time
	statuses []task.Status
	groups   map[int]string
	alone    map[int]Usage
	trees    map[string]Usage
}

func newWorld() *world {
	w := &world{at: epoch, groups: map[int]string{}, alone: map[int]Usage{}, trees: map[string]Usage{}}
	w.Sampler = New(func() []task.Status { return w.statuses })
	w.now = func() time.Time { return w.at }
	w.group = func(pid int) string { return w.groups[pid] }
	w.process = func(pid int) (Usage, bool) { u, ok := w.alone[pid]; return u, ok }
	w.tree = func(group string) (Usage, bool) { u, ok := w.trees[group]; return u, ok }
	return w
}

// begin lets a task have a process that began at epoch.
func (w *world) begin(name string, pid int) task.ProcessInfo {
	p := task.ProcessInfo{PID: pid, Started: epoch}
	w.statuses = append(w.statuses, task.Status{Task: name, Processes: []task.ProcessInfo{p}})
	return p
}

// look looks after d.
func (w *world) look(d time.Duration) {
	w.at = w.at.Add(d)
	w.Look()
}

func TestTheLoadIsThatBetweenTwoLooks(t *testing.T) {
	t.Parallel()
	w := newWorld()
	p := w.begin("a", 7)
	if u, ok := w.Of(p); ok {
		t.Errorf("before the first look it is %+v", u)
	}
	w.alone[7] = Usage{CPU: time.Second, RSS: 1 << 20}
	w.look(10 * time.Second)
	if u, ok := w.Of(p); !ok || u.Percent != 10 || u.RSS != 1<<20 || u.Tree || u.SharedBy != 1 {
		t.Errorf("after the first look it is %+v, %v: want the load since it began", u, ok)
	}
	w.alone[7] = Usage{CPU: 6 * time.Second, RSS: 2 << 20}
	w.look(5 * time.Second)
	if u, _ := w.Of(p); u.Percent != 100 || u.CPU != 6*time.Second || u.RSS != 2<<20 || !u.At.Equal(w.at) {
		t.Errorf("after the second look it is %+v", u)
	}
	if w.Version() != 2 {
		t.Errorf("after two looks the version is %d", w.Version())
	}
	delete(w.alone, 7)
	w.look(5 * time.Second)
	if u, ok := w.Of(p); ok {
		t.Errorf("a process that has ended takes %+v", u)
	}
}

func TestAProcessWithACgroupCountsWithAllThatItHasStarted(t *testing.T) {
	t.Parallel()
	w := newWorld()
	p := w.begin("a", 7)
	w.groups[7], w.alone[7] = "process-x", Usage{CPU: time.Second, RSS: 1}
	w.trees["process-x"] = Usage{CPU: 5 * time.Second, RSS: 100}
	w.look(10 * time.Second)
	if u, _ := w.Of(p); !u.Tree || u.Percent != 50 || u.RSS != 100 {
		t.Errorf("it is %+v, want the tree", u)
	}
	delete(w.trees, "process-x")
	w.look(10 * time.Second)
	if u, ok := w.Of(p); !ok || u.Tree || u.RSS != 1 || u.Percent != 0 {
		t.Errorf("without its cgroup it is %+v, want the process", u)
	}
}

func TestTasksThatShareAProcessBearEqualParts(t *testing.T) {
	t.Parallel()
	w := newWorld()
	a, b := w.begin("a", 7), w.begin("b", 7)
	w.alone[7] = Usage{CPU: 4 * time.Second, RSS: 100}
	w.look(10 * time.Second)
	for _, p := range []task.ProcessInfo{a, b} {
		if u, _ := w.Of(p); u.Percent != 20 || u.RSS != 50 || u.SharedBy != 2 {
			t.Errorf("a part is %+v", u)
		}
	}
}

func TestASharedProcessIsLookedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld()
	reads := 0
	w.process = func(int) (Usage, bool) {
		reads++
		return Usage{CPU: time.Duration(reads) * time.Second, RSS: 1000}, true
	}
	var all []task.ProcessInfo
	for i := range 100 { // they began in it at different times
		p := w.begin("t", 7)
		p.Started = epoch.Add(time.Duration(i) * time.Millisecond)
		w.statuses[i].Processes[0] = p
		all = append(all, p)
	}
	for look := range 2 {
		w.look(10 * time.Second)
		if reads != look+1 {
			t.Errorf("look %d reads the process %d times", look, reads)
		}
		for _, p := range all {
			if u, ok := w.Of(p); !ok || u.SharedBy != 100 || u.RSS != 10 || u.CPU != time.Duration(reads)*time.Second/100 {
				t.Fatalf("a part is %+v, %v", u, ok)
			}
		}
	}
}

func TestManyProcessesAreLookedAtInPortions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		for pid := range 100 {
			w.begin("t", pid+1)
			w.alone[pid+1] = Usage{RSS: 1}
		}
		began := time.Now()
		w.Look()
		if took := time.Since(began); took != 100/atATime*breath {
			t.Errorf("a look at 100 processes takes %v", took)
		}
		if u, ok := w.Of(w.statuses[99].Processes[0]); !ok || u.RSS != 1 {
			t.Errorf("the last one is %+v, %v", u, ok)
		}
	})
}

func TestANumberThatIsGivenAgainIsAnotherProcess(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.begin("a", 7)
	w.alone[7] = Usage{CPU: time.Hour}
	w.look(time.Hour)
	later := task.ProcessInfo{PID: 7, Started: w.at}
	w.statuses = []task.Status{{Task: "a", Processes: []task.ProcessInfo{later}}}
	w.alone[7] = Usage{CPU: time.Second}
	w.look(10 * time.Second)
	if u, ok := w.Of(later); !ok || u.Percent != 10 {
		t.Errorf("the new process is %+v, %v", u, ok)
	}
}

func TestTheProcessesAreLookedAtUntilTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.begin("a", 7)
		go w.Run(t.Context())
		<-time.After(Every + time.Second)
		if w.Version() != 1 {
			t.Errorf("after one interval there were %d looks", w.Version())
		}
	})
}

func TestTheKernelKnowsThisProcess(t *testing.T) {
	t.Parallel()
	u, ok := Of(os.Getpid())
	if !ok {
		t.Skip("no /proc here")
	}
	if u.RSS < 1<<20 || u.RSS > 1<<34 || u.CPU < 0 || u.CPU > time.Hour {
		t.Errorf("this process takes %+v", u)
	}
	if _, ok := Of(1 << 30); ok {
		t.Error("a process that there is not takes something")
	}
}
