package apitest

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/access"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/audit"
	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

// Token is what TCP callers must send, Producer what those send who only post messages.
const (
	Token    = "th_0123456789abcdef0123456789abcdef"
	Producer = "th_fedcba9876543210fedcba9876543210"
)

// Live is an API that answers on a Unix socket, on TCP and over TLS.
type Live struct {
	API     *api.API
	Fleet   *Fleet
	Host    *Host
	Logs    *Logs
	Store   *store.Memory
	Feed    *feed.Feed
	Queues  *Queues
	Meter   *Meter
	Unix    string // unix:PATH
	TCP     string // 127.0.0.1:PORT
	Ingress string // likewise, of the ingress
	TLS     string // likewise, speaking TLS
	MTLS    string // likewise, asking for certificates of clients

	Authority *Authority // of the certificates
	Tokens    *access.Book
	Audit     *audit.Log
}

// Roles are what clients may do by the name in their certificate.
var Roles = map[string]api.Role{
	"viewer.example": api.Viewer, "operator.example": api.Operator, "admin.example": api.Admin, "producer.example": api.Producer,
}

// Start serves a live API until the test ends. Dir is where its socket lies; "" is a new one.
func Start(t testing.TB, dir string, change ...func(*api.Config)) *Live {
	t.Helper()
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "th"); err != nil { // a test's own directory may be too long for a socket
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
	}
	l, stop, err := Serve(dir, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l
}

// Serve is Start for callers without a testing.TB; stop ends it.
func Serve(dir string, change ...func(*api.Config)) (l *Live, stop func() error, err error) {
	l = &Live{Feed: feed.New(), Logs: &Logs{}, Host: &Host{}, Meter: &Meter{}}
	l.Store = store.NewMemory(store.Options{Publish: l.Feed.Publish, Now: func() time.Time { return Epoch }})
	l.Fleet = newFleet(l.Store, Definitions(), QueueDefinitions())
	l.Queues = NewQueues(QueueDefinitions())
	l.Store.Publish("clock", "tick", json.RawMessage("120"), Epoch)
	l.Store.Publish("quick", "status", json.RawMessage("200"), Epoch)
	c := api.Config{
		Fleet: l.Fleet, Host: l.Host, Library: l.Store, Feed: l.Feed, Replay: l.Store, Logs: l.Logs, Plugins: Plugins{}, Configs: &Configs{},
		Queues: l.Queues, Notices: notices{}, Meter: l.Meter, Health: l.Host, Token: api.NewToken("admin", Token), Produce: []api.Token{api.NewProducerToken("shop", Producer)}, Log: hclog.NewNullLogger(), Now: func() time.Time { return Epoch },
	}
	for _, f := range change {
		f(&c)
	}
	if err := l.openAccess(dir, &c); err != nil {
		return nil, nil, err
	}
	l.API = api.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	secure, mutual, err := l.secure(dir)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	var listeners []net.Listener
	const free = "127.0.0.1:0"
	for _, at := range []struct {
		addr string
		how  api.Listening
	}{{"unix:" + filepath.Join(dir, "admin.sock"), api.Listening{}}, {free, api.Listening{}}, {free, api.Listening{TLS: secure}}, {free, api.Listening{TLS: mutual}}, {free, api.Listening{}}} {
		listener, err := api.Listen(ctx, at.addr, at.how)
		if err != nil {
			cancel()
			return nil, nil, err
		}
		listeners = append(listeners, listener)
	}
	addr := func(i int) string { return listeners[i].Addr().String() }
	l.Unix, l.TCP, l.TLS, l.MTLS, l.Ingress = "unix:"+filepath.Join(dir, "admin.sock"), addr(1), addr(2), addr(3), addr(4)
	served := make(chan error, 2)
	go func() { served <- l.API.Serve(ctx, listeners[:4]...) }()
	go func() { served <- l.API.ServeIngress(ctx, listeners[4]) }()
	return l, func() error {
		cancel()
		return errors.Join(<-served, <-served, l.Tokens.Close(), l.Audit.Close())
	}, nil
}

// openAccess opens what says who may do what, and what was done.
func (l *Live) openAccess(dir string, c *api.Config) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if l.Tokens, err = access.Open(filepath.Join(dir, "tokens.json"), access.Options{Now: c.Now}); err != nil {
		return err
	}
	l.Audit, err = audit.Open(filepath.Join(dir, "audit.jsonl"), audit.Options{MaxSize: 16 << 20, Keep: 1, Now: c.Now})
	c.Tokens, c.Audit = l.Tokens, l.Audit
	return err
}

// secure makes the certificates.
func (l *Live) secure(dir string) (secure, mutual *api.TLS, err error) {
	if l.Authority, err = NewAuthority(dir); err != nil {
		return nil, nil, err
	}
	cert, key, err := l.Authority.Issue("host", "taskhost", 0, "127.0.0.1", "host.example")
	if err != nil {
		return nil, nil, err
	}
	if secure, err = api.NewTLS(api.TLSOptions{CertFile: cert, KeyFile: key}); err != nil {
		return nil, nil, err
	}
	mutual, err = api.NewTLS(api.TLSOptions{CertFile: cert, KeyFile: key, ClientCAFile: l.Authority.CAFile, ClientRoles: Roles})
	return secure, mutual, err
}

// Definitions are the tasks of the fleet.
func Definitions() []task.Definition {
	base := task.Definition{
		Enabled: true, Plugin: "demo", Type: "job", Mode: task.OnDemand, Labels: map[string]string{"team": "shop"},
		Stop: task.Ladder{Drain: 10 * time.Second, Cancel: 5 * time.Second}, Source: "config.hcl:12",
		Config: task.Config{Redacted: json.RawMessage(`{"url":"http://example.org","token":"***"}`)},
	}
	named := func(name string, change func(*task.Definition)) task.Definition {
		d := base
		d.Name, d.Block = name, name
		change(&d)
		return d
	}
	return []task.Definition{
		named("clock", func(d *task.Definition) { d.Mode, d.Type = task.Continuous, "daemon" }),
		named("loader", func(d *task.Definition) {
			d.Mode, d.Type, d.Consume = task.Continuous, "fetch", &task.Consume{Queue: "urls", Concurrency: 8}
			d.Outputs = map[string]string{"pages": "pages"}
		}),
		named("quick", func(d *task.Definition) {
			d.Mode, d.Schedule = task.Periodic, task.Schedule{Every: 30 * time.Second}
		}),
		named("failing", func(d *task.Definition) {}),
		named("slow", func(d *task.Definition) { d.Groups = []string{"upstream"} }),
		named("stubborn", func(d *task.Definition) {}),
		named("nightly", func(d *task.Definition) {
			d.Mode, d.Schedule = task.Periodic, task.Schedule{Cron: []string{"15 2 * * *"}, TimeZone: "Europe/Berlin", Jitter: time.Second}
		}),
		named("off", func(d *task.Definition) { d.Enabled = false }),
		named("check.www.example.org", func(d *task.Definition) {
			d.Block, d.Key, d.Labels = "check", "www.example.org", map[string]string{"customer": "acme"}
		}),
		named("check.shop.example.org", func(d *task.Definition) {
			d.Block, d.Key, d.Labels = "check", "shop.example.org", map[string]string{"customer": "acme"}
		}),
	}
}

// Input is what the type job takes.
type Input struct {
	Month string `json:"month,omitempty"`
	Count int    `json:"count,omitempty"`
}

// Page is what the type fetch handles.
type Page struct {
	URL   string `json:"url" pattern:"^https?://"`
	Depth int    `json:"depth,omitempty"`
}

// Plugins has the one plugin demo.
type Plugins struct{}

// Plugins lists it.
func (Plugins) Plugins() []api.Plugin {
	input, err := schema.ValueOf[Input]()
	if err != nil {
		panic(err)
	}
	message, err := schema.ValueOf[Page]()
	if err != nil {
		panic(err)
	}
	body, err := schema.Of[struct {
		URL string `task:"url" doc:"page to fetch"`
	}]()
	if err != nil {
		panic(err)
	}
	return []api.Plugin{
		{Name: "broken", Path: "bin/plugins/broken", Err: errors.New("broken is not executable; run: chmod +x bin/plugins/broken")},
		{Name: "demo", Path: "bin/plugins/demo", Digest: "5b1e", Description: wire.Description{
			Plugin: "demo", Version: "1.4.0", Doc: "shows how it goes", Protocol: 1,
			Types: []wire.Type{
				{Name: "job", Doc: "a job", Modes: []string{"periodic", "on_demand"}, Config: body, Input: &input},
				{Name: "daemon", Modes: []string{"continuous"}, Config: body, Methods: []wire.Method{{Name: "echo", Doc: "says it again"}, {Name: "hang"}}},
				{Name: "fetch", Doc: "fetches pages", Modes: []string{"continuous"}, Config: body, Message: &message},
			},
		}},
	}
}

// Host remembers what it was asked.
type Host struct {
	mu     sync.Mutex
	paused *task.Override
	state  string
	// Unready, when set, is why the host is not ready; Stalled, why it makes no progress.
	Unready, Stalled atomic.Pointer[string]
}

var _ api.Host = (*Host)(nil)

// Info says what it is.
func (h *Host) Info() api.HostInfo {
	h.mu.Lock()
	defer h.mu.Unlock()
	state := h.state
	if state == "" {
		state = "running"
	}
	return api.HostInfo{
		State: state, Version: "0.1.0", PID: 4242, Started: Epoch, Generation: 1, Digest: "9f31c2", Config: []string{"config.hcl"},
		DataDir: "data", TimeZone: "Europe/Berlin", Store: "memory", Paused: h.paused,
	}
}

// Ready is nil unless Unready is set.
func (h *Host) Ready() error {
	if why := h.Unready.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
}

func (h *Host) become(state string, paused *task.Override) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := h.state != state
	h.state, h.paused = state, paused
	return changed, nil
}

// Pause pauses.
func (h *Host) Pause(_ context.Context, o task.Override) (bool, error) { return h.become("paused", &o) }

// Resume resumes.
func (h *Host) Resume(context.Context, string, bool) (bool, error) { return h.become("running", nil) }

// Drain drains.
func (h *Host) Drain(context.Context, task.Override) (bool, error) { return h.become("draining", nil) }

// Shutdown only says so.
func (h *Host) Shutdown(context.Context, task.StopMode, task.Override) (bool, error) {
	return h.become("stopping", nil)
}

// Logs is a log in memory, the same for every task.
type Logs struct {
	mu    sync.Mutex
	lines []api.LogRecord
	woken chan struct{}
}

var _ api.Logs = (*Logs)(nil)

// Add appends a line.
func (l *Logs) Add(level, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, api.LogRecord{
		Position: uint64(len(l.lines) + 1), LogLine: task.LogLine{At: Epoch, Level: level, Stream: "log", Message: message},
	})
	if l.woken != nil {
		close(l.woken)
		l.woken = nil
	}
}

// after returns the lines after a position, and a channel that closes when there are more.
func (l *Logs) after(pos uint64) ([]api.LogRecord, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.woken == nil {
		l.woken = make(chan struct{})
	}
	return append([]api.LogRecord(nil), l.lines[min(pos, uint64(len(l.lines))):]...), l.woken
}

// Page returns the lines.
func (l *Logs) Page(_ context.Context, q api.LogQuery) (api.LogPage, error) {
	lines, _ := l.after(q.After)
	if q.Tail > 0 {
		return api.LogPage{Items: lines[max(len(lines)-q.Tail, 0):]}, nil
	}
	n := min(len(lines), q.Limit)
	return api.LogPage{Items: lines[:n], More: n < len(lines)}, nil
}

// Follow yields the lines and those to come.
func (l *Logs) Follow(ctx context.Context, q api.LogQuery) iter.Seq2[api.LogRecord, error] {
	return func(yield func(api.LogRecord, error) bool) {
		for pos := q.After; ; {
			lines, more := l.after(pos)
			for _, line := range lines {
				if pos = line.Position; !yield(line, nil) {
					return
				}
			}
			select {
			case <-more:
			case <-ctx.Done():
				return
			}
		}
	}
}
