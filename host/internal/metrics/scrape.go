package metrics

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/host/internal/usage"
)

// maxNumbers bounds the published numbers of one task that are series.
const maxNumbers = 100

// scrape is everything that is written, read once so that all of it is of one moment.
type scrape struct {
	*page
	m      *Metrics
	now    time.Time
	tasks  []taskView
	queues []task.QueueStatus
	store  Store
	reload reload
	self   self

	generation, readers int
	cut                 uint64
	omitted             int // published numbers without a series
	unresponsive        map[int]bool
	forward, backward   uint64 // steps of the clock
	connections         []Connections
}

// taskView is one task.
type taskView struct {
	*task.Status
	def     *task.Definition // nil while it is on its way out
	counts  *counts
	numbers []number
	usage   usage.Usage
}

// number is a published value.
type number struct {
	key   string
	value float64
}

// look reads the sources.
func (m *Metrics) look(ctx context.Context) (*scrape, error) {
	s := &scrape{m: m, now: m.now(), queues: m.sources.Queues(), store: m.sources.Store(), generation: m.sources.Generation(), self: lookAtSelf()}
	s.readers, s.cut = m.sources.Readers()
	s.unresponsive = m.sources.Unresponsive()
	s.forward, s.backward = m.sources.ClockJumps()
	s.connections = m.sources.Connections()
	m.mu.Lock()
	s.reload = m.reload
	m.mu.Unlock()
	defs := map[string]*task.Definition{}
	for _, d := range m.sources.Definitions() {
		defs[d.Name] = d
	}
	statuses := m.sources.Statuses()
	s.tasks = make([]taskView, len(statuses))
	for i := range statuses {
		v := &s.tasks[i]
		v.Status, v.def, v.counts = &statuses[i], defs[statuses[i].Task], m.of(statuses[i].Task)
		v.usage = m.usageOf(v)
		published, err := m.sources.State(ctx, v.Task)
		if err != nil {
			return nil, err
		}
		var left int
		v.numbers, left = numbersOf(published)
		s.omitted += left
	}
	return s, nil
}

// numbersOf are the numbers among published values, by key, up to the bound, and how many are left out.
func numbersOf(published map[string]task.Published) (out []number, left int) {
	for key, p := range published {
		v, err := strconv.ParseFloat(strings.TrimSpace(string(p.Value)), 64)
		if err == nil {
			out = append(out, number{clean(key), v})
		}
	}
	slices.SortFunc(out, func(a, b number) int { return cmp.Compare(a.key, b.key) })
	if len(out) > maxNumbers {
		return out[:maxNumbers], len(out) - maxNumbers
	}
	return out, 0
}

// usageOf is what a task's processes take: those that are live, and the time of those that have ended.
func (m *Metrics) usageOf(v *taskView) usage.Usage {
	total := usage.Usage{CPU: time.Duration(v.counts.cpu.Load())}
	for _, p := range v.Processes {
		if u, ok := m.sources.Usage(p); ok {
			total.RSS += u.RSS
			total.CPU += u.CPU
		}
	}
	// A process that ends between two looks is counted a moment later: what was shown stays.
	v.counts.shownCPU = max(v.counts.shownCPU, total.CPU)
	total.CPU = v.counts.shownCPU
	return total
}

// sorted returns what a map of histograms or requests holds, by key.
func sorted[K comparable, V any](in interface {
	Range(func(k, v any) bool)
}, by func(a, b K) int,
) (keys []K, values []*V) {
	all := map[K]*V{}
	in.Range(func(k, v any) bool { all[k.(K)] = v.(*V); return true })
	keys = slices.SortedFunc(maps.Keys(all), by)
	for _, k := range keys {
		values = append(values, all[k])
	}
	return keys, values
}

func byRoute(a, b served) int {
	return cmp.Or(cmp.Compare(a.route, b.route), cmp.Compare(a.method, b.method))
}
