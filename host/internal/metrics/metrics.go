package metrics

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Sources are what a scrape reads. Each is quick, and none waits for a write.
type Sources struct {
	Statuses    func() []task.Status // by task
	Definitions func() []*task.Definition
	State       func(ctx context.Context, name string) (map[string]task.Published, error)
	Queues      func() []task.QueueStatus
	Generation  func() int
	Store       func() Store
	Readers     func() (now int, cut uint64) // of events
	LogsDropped func(name string) int64      // lines of a task that found no room on their way to the disk
	// Usage is what a process took when it was looked at last: a thousand looks would cost more than all the rest of a scrape.
	Usage func(task.ProcessInfo) (task.Usage, bool)
	// Unresponsive are the pids of processes that do not answer.
	Unresponsive func() map[int]bool
	// ClockJumps counts the steps of the wall clock, those while the machine slept included.
	ClockJumps func() (forward, backward uint64)
	// Connections are those of each address that is listened on.
	Connections func() []Connections
}

// Connections is how full one address is.
type Connections struct {
	Listener, Address string // admin or ingress, and where it listens
	Held, Most        int
	Cut, Delayed      uint64
}

// Store is what the store says of itself.
type Store struct {
	Ready bool
	Bytes int64 // of its files
	Free  int64 // that the file system still takes
}

// Metrics counts what the host does. It is safe for concurrent use. Make it with New.
type Metrics struct {
	version string
	now     func() time.Time

	tasks    sync.Map // name → *counts
	waits    sync.Map // task.Trigger → *histogram
	queues   sync.Map // name → *histogram
	requests sync.Map // served → *requests

	lateness, commits, writes *histogram
	storeErrors               atomic.Uint64

	mu     sync.Mutex
	reload reload

	scraping sync.Mutex // guards what lies below
	sources  Sources
	size     int // of the last scrape
}

// reload is what is known of configurations that were applied.
type reload struct {
	ok                bool
	at                time.Time // of the last that was
	succeeded, failed uint64
}

// New makes Metrics that count. There is nothing to scrape before Read has been called.
func New(version string) *Metrics {
	return &Metrics{
		version: version, now: time.Now,
		lateness: newHistogram(ofLateness), commits: newHistogram(ofCommits), writes: newHistogram(ofWrites),
	}
}

// Read says what scrapes read from now on.
func (m *Metrics) Read(s Sources) {
	m.scraping.Lock()
	defer m.scraping.Unlock()
	m.sources = s
}

func (m *Metrics) of(name string) *counts { return made(&m.tasks, name, newCounts) }

func (m *Metrics) wait(t task.Trigger) *histogram {
	return made(&m.waits, t, func() *histogram { return newHistogram(ofWaits) })
}

func (m *Metrics) queueWait(name string) *histogram {
	return made(&m.queues, name, func() *histogram { return newHistogram(ofWaits) })
}

func (m *Metrics) request(s served) *requests {
	return made(&m.requests, s, func() *requests { return &requests{took: newHistogram(ofRequests)} })
}

// made finds what belongs to a key, and makes it when it is asked for the first time.
func made[K comparable, V any](in *sync.Map, k K, fresh func() *V) *V {
	if v, ok := in.Load(k); ok {
		return v.(*V)
	}
	v, _ := in.LoadOrStore(k, fresh())
	return v.(*V)
}

// ContentType is the media type of what Scrape returns.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Scrape writes everything. The text is the caller's.
func (m *Metrics) Scrape(ctx context.Context) ([]byte, error) {
	m.scraping.Lock()
	defer m.scraping.Unlock()
	if m.sources.Statuses == nil {
		return nil, nil
	}
	s, err := m.look(ctx)
	if err != nil {
		return nil, err
	}
	s.page = &page{out: make([]byte, 0, m.size+m.size/8)}
	for i := range families {
		s.fam, s.begun = &families[i], false
		families[i].write(s)
	}
	m.size = len(s.out)
	return s.out, nil
}
