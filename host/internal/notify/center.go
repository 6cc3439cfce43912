package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/process"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Store is what is read, and where what must survive is found again.
type Store interface {
	Status(task string) (task.Status, bool)
	Statuses() []task.Status
	Run(ctx context.Context, id string) (task.Run, bool, error)
	State(ctx context.Context, task string) (map[string]task.Published, error)
	Load(ctx context.Context, task, key string) (json.RawMessage, bool, error)
	EventsSince(seq uint64) ([]task.Event, bool)
	LastEvent() uint64
}

// Queues are the queues that messages go out from: a broker that holds nothing else. Implemented by queue.Broker.
type Queues interface {
	task.Queues
	Define(queues []task.Queue, tasks []task.Definition)
	Queue(name string) (task.QueueStatus, bool)
	Queues() []task.QueueStatus
	Purge(ctx context.Context, queue string, dead bool, by string) (int, error)
}

// Config is what a Center works with.
type Config struct {
	Store   Store
	Feed    *feed.Feed
	Queues  Queues
	Alerted func(taskName string, reasons []task.Reason) // which alerts hold for a task; it must not block
	// Progress fails when the scheduler does not get on, or the store takes no writes. nil is never.
	Progress func(ctx context.Context) error
	Hide     func(text string) string // takes secrets out of a text; nil is none
	Run      RunCommand               // nil is process.Run
	Host     string                   // name of the machine; "" is the system's
	Now      func() time.Time         // nil is time.Now
	Log      hclog.Logger             // nil is nowhere
}

// owner is the task under whose name the store keeps what belongs to notifications. No task can have it.
const owner = "@notify"

// QueueName is the queue of a notifier; no queue of a configuration can have its name.
func QueueName(notifier string) string { return "@" + notifier }

func notifierOf(queue string) string { return strings.TrimPrefix(queue, QueueName("")) }

// How messages are tried again: for about a day.
const (
	maxDeliveries = 30
	firstPause    = 5 * time.Second
	longestPause  = time.Hour
	maxAge        = 48 * time.Hour
	maxMessages   = 1000 // of one notifier that wait; the oldest make room
)

// consumerOf takes what the queue of a notifier holds, one message at a time and in order.
func consumerOf(n Notifier) task.Definition {
	return task.Definition{
		Name: owner + " " + n.Name, Mode: task.Continuous,
		Consume: &task.Consume{Queue: QueueName(n.Name), Concurrency: 1, OrderBy: task.OrderByKey},
	}
}

// Center runs everything that a configuration says of notifications. Its methods are safe for concurrent use.
type Center struct {
	cfg   Config
	tasks atomic.Pointer[map[string]map[string]string] // labels of every declared task

	mu       sync.Mutex
	life     context.Context // nil: not started, or over
	end      context.CancelFunc
	blocks   Blocks
	stations map[string]*station
	alerts   *runner
	beats    []*runner
}

// New makes a Center that knows no blocks yet.
func New(cfg Config) *Center {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Run == nil {
		cfg.Run = process.Run
	}
	if cfg.Hide == nil {
		cfg.Hide = func(text string) string { return text }
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	if cfg.Host == "" {
		cfg.Host, _ = os.Hostname()
	}
	c := &Center{cfg: cfg, stations: map[string]*station{}}
	c.tasks.Store(&map[string]map[string]string{})
	return c
}

// runner is something that runs until it is stopped.
type runner struct {
	stop context.CancelFunc
	done chan struct{}
}

func start(ctx context.Context, run func(context.Context)) *runner {
	ctx, cancel := context.WithCancel(ctx)
	r := &runner{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		run(ctx)
	}()
	return r
}

func (r *runner) end() {
	if r != nil {
		r.stop()
		<-r.done
	}
}

// Define takes over the blocks and tasks of a configuration, in place of those before. Notifiers that have not changed
// go on; one that is not there any more forgets what it knew, and what it had not sent is removed.
func (c *Center) Define(b Blocks, tasks []task.Definition) error {
	labels := make(map[string]map[string]string, len(tasks))
	for _, d := range tasks {
		labels[d.Name] = d.Labels
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tasks.Store(&labels)
	c.blocks = b
	var queues []task.Queue
	var consumers []task.Definition
	for _, n := range b.Notifiers {
		queues, consumers = append(queues, queueOf(n)), append(consumers, consumerOf(n))
	}
	c.cfg.Queues.Define(queues, consumers)
	if c.life == nil {
		return nil
	}
	return c.apply()
}

func queueOf(n Notifier) task.Queue {
	return task.Queue{
		Name: QueueName(n.Name), MaxMessages: maxMessages, MaxBytes: 256 << 20, MaxDeliveries: maxDeliveries, MaxAge: maxAge,
		Overflow: task.OverflowDropOldest, IDsFor: time.Hour,
		Redeliver:   task.Redeliver{Backoff: firstPause, MaxBackoff: longestPause},
		DeadLetters: task.DeadLetters{Max: 100, Age: 30 * 24 * time.Hour},
	}
}

// Start begins to work. It fails when what an earlier host kept cannot be read.
func (c *Center) Start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life, c.end = context.WithCancel(context.Background())
	return c.apply()
}

// Close ends all work. What was not sent is sent by the next host.
func (c *Center) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == nil {
		return
	}
	c.end()
	for _, s := range c.stations {
		s.end()
	}
	c.alerts.end()
	for _, b := range c.beats {
		b.end()
	}
	c.life = nil
}

// apply makes what runs true to the blocks. The lock is held.
func (c *Center) apply() error {
	declared := map[string]bool{}
	for _, n := range c.blocks.Notifiers {
		declared[n.Name] = true
		old := c.stations[n.Name]
		if old != nil && reflect.DeepEqual(old.of, n) {
			old.look()
			continue
		}
		old.end()
		s, err := c.open(n)
		if err != nil {
			return fmt.Errorf("start the notifier %s: %w", n.Name, err)
		}
		c.stations[n.Name] = s
	}
	for name, s := range c.stations {
		if !declared[name] {
			s.end()
			s.forget()
			delete(c.stations, name)
		}
	}
	c.sweep()
	return c.applyRest()
}

// sweep removes what notifiers have not sent that are not declared any more, also since an earlier host. It was meant for
// somebody who is not to be told now; sent years later, by a notifier of the same name, it would say what is long over.
func (c *Center) sweep() {
	ctx, cancel := context.WithTimeout(c.life, purgeTime)
	defer cancel()
	for _, q := range c.cfg.Queues.Queues() {
		if q.Declared {
			continue
		}
		unsent, err := c.cfg.Queues.Purge(ctx, q.Name, false, owner)
		dead, deadErr := c.cfg.Queues.Purge(ctx, q.Name, true, owner)
		if err = errors.Join(err, deadErr); err != nil {
			c.cfg.Log.Error("what a notifier had not sent cannot be removed", "notifier", notifierOf(q.Name), "err", err)
		}
		if unsent+dead > 0 {
			c.cfg.Log.Warn("a notifier is not in the configuration any more; what it had not sent was removed", "notifier", notifierOf(q.Name), "unsent", unsent, "given_up", dead)
		}
	}
}

const purgeTime = 5 * time.Second

// applyRest begins alerts and heartbeats anew. The lock is held.
func (c *Center) applyRest() error {
	c.alerts.end()
	for _, b := range c.beats {
		b.end()
	}
	c.beats = nil
	a, err := c.newAlerts(c.blocks.Alerts)
	if err != nil {
		return fmt.Errorf("start the alerts: %w", err)
	}
	c.alerts = start(c.life, a.run)
	for _, h := range c.blocks.Heartbeats {
		c.beats = append(c.beats, start(c.life, c.newBeat(h).run))
	}
	return nil
}

// labels are those of a task; false when it is not declared.
func (c *Center) labels(name string) (map[string]string, bool) {
	l, ok := (*c.tasks.Load())[name]
	return l, ok
}

// declared are the names of all tasks.
func (c *Center) declared() []string { return slices.Sorted(maps.Keys(*c.tasks.Load())) }

// View is what a notifier has done.
type View struct {
	Notifier
	Waiting  int // messages that are to be sent
	Dead     int // messages that were given up
	Sent     int // since the start of the host
	Failures int // tries in a row that failed
	Last     *Delivery
}

// Delivery is one try to send a message.
type Delivery struct {
	ID      string
	At      time.Time
	Took    time.Duration
	Attempt int
	Error   string // "" is success
}

// Notifiers returns all notifiers, by name.
func (c *Center) Notifiers() []View {
	c.mu.Lock()
	defer c.mu.Unlock()
	views := make([]View, 0, len(c.blocks.Notifiers))
	for _, n := range c.blocks.Notifiers {
		v := View{Notifier: n}
		if s := c.stations[n.Name]; s != nil {
			v.Sent, v.Failures, v.Last = s.figures()
		}
		if q, ok := c.cfg.Queues.Queue(QueueName(n.Name)); ok {
			v.Waiting, v.Dead = q.Messages, q.Dead
		}
		views = append(views, v)
	}
	return views
}

// Test sends a message of the notifier at once, not by its queue, and returns what became of it. It reports false when
// there is no such notifier.
func (c *Center) Test(ctx context.Context, name string) (Delivery, bool) {
	c.mu.Lock()
	s := c.stations[name]
	c.mu.Unlock()
	if s == nil {
		return Delivery{}, false
	}
	return s.test(ctx), true
}
