package usage

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Usage is what a process or a tree of them takes.
type Usage struct {
	CPU time.Duration // of processors, in all
	RSS int64         // bytes that are resident
}

// Every is how often the processes of the tasks are looked at.
const Every = 5 * time.Second

// A thousand processes are not looked at in one go: that would take a processor from the tasks for tens of milliseconds.
const (
	atATime = 8
	breath  = time.Millisecond
)

// Sampler remembers what the processes of the tasks took when they were looked at last. It is safe for concurrent use.
// Make it with New.
type Sampler struct {
	statuses func() []task.Status
	now      func() time.Time
	group    func(pid int) string
	process  func(pid int) (Usage, bool)
	tree     func(group string) (Usage, bool)

	version atomic.Uint64
	mu      sync.RWMutex
	known   map[process]look
}

// process is a process by more than its number, which the kernel gives again.
type process struct {
	pid     int
	started int64 // ns
}

// look is one look at a process.
type look struct {
	at    time.Time
	usage Usage
	group string
	shown task.Usage
}

// New makes a Sampler of the processes that these statuses name.
func New(statuses func() []task.Status) *Sampler {
	return &Sampler{statuses: statuses, now: time.Now, group: groupOf, process: Of, tree: ofGroup}
}

// Run looks at the processes again and again until ctx ends.
func (s *Sampler) Run(ctx context.Context) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.Look()
		}
	}
}

// Look looks at the processes once. Two looks must not overlap.
func (s *Sampler) Look() {
	statuses := s.statuses()
	sharing := Sharing(statuses)
	now, next := s.now(), map[process]look{}
	read := map[int]reading{} // tasks that share a process began in it at different times: it is asked once for all of them
	for i := range statuses {
		for _, p := range statuses[i].Processes {
			key := process{p.PID, p.Started.UnixNano()}
			if _, seen := next[key]; seen || p.PID <= 0 {
				continue
			}
			before, known := s.last(key)
			if !known {
				before = look{at: p.Started}
			}
			r, ok := read[p.PID]
			if !ok {
				if len(read)%atATime == atATime-1 {
					<-time.After(breath)
				}
				r = s.read(p.PID, before, known)
				read[p.PID] = r
			}
			if r.ok {
				next[key] = after(r, before, sharing[p.PID], now)
			}
		}
	}
	s.mu.Lock()
	s.known = next
	s.mu.Unlock()
	s.version.Add(1)
}

// reading is what the kernel says of a process at one look.
type reading struct {
	usage Usage
	group string
	tree  bool // usage is that of the tree that it began
	ok    bool
}

// read asks for one process: for the tree that it began where a cgroup of its own holds that.
func (s *Sampler) read(pid int, before look, known bool) reading {
	r := reading{group: before.group}
	if !known {
		r.group = s.group(pid)
	}
	if r.group != "" {
		r.usage, r.tree = s.tree(r.group)
	}
	r.ok = r.tree
	if !r.tree {
		r.usage, r.ok = s.process(pid)
	}
	return r
}

func after(r reading, before look, tasks int, now time.Time) look {
	l := look{at: now, usage: r.usage, group: r.group}
	l.shown = share(before, l, tasks)
	l.shown.Tree = r.tree
	return l
}

// share is the part of one task among several that share a process, and how busy it was between two looks.
func share(before, after look, tasks int) task.Usage {
	n := max(tasks, 1)
	out := task.Usage{At: after.at, CPU: after.usage.CPU / time.Duration(n), RSS: after.usage.RSS / int64(n), SharedBy: n}
	if took := after.at.Sub(before.at); took > 0 {
		out.Percent = 100 * max(0, (after.usage.CPU-before.usage.CPU).Seconds()) / took.Seconds() / float64(n)
	}
	return out
}

func (s *Sampler) last(key process) (look, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	l, ok := s.known[key]
	return l, ok
}

// Of is what a task's process took when it was looked at last; false before that.
func (s *Sampler) Of(p task.ProcessInfo) (task.Usage, bool) {
	l, ok := s.last(process{p.PID, p.Started.UnixNano()})
	return l.shown, ok
}

// Version rises with every look.
func (s *Sampler) Version() uint64 { return s.version.Load() }

// Sharing counts the tasks of every process: they bear what it takes in equal parts.
func Sharing(statuses []task.Status) map[int]int {
	by := map[int]int{}
	for i := range statuses {
		for _, p := range statuses[i].Processes {
			by[p.PID]++
		}
	}
	return by
}
