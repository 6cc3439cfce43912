package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"golang.org/x/sync/errgroup"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

const (
	defaultTimeout = 30 * time.Second // of a launch
	reapEvery      = time.Second      // how often orphans that ended are looked for, at most
)

// Config is what a Launcher needs.
type Config struct {
	// RunDir holds the sockets and lock files of the processes; it is made when missing,
	// with mode 0700. Its path may be of any length. One host at a time may use it.
	RunDir string
	// HostEnv names the variables of the host's environment that every plugin gets; nil
	// is PATH, HOME, TMPDIR, LANG, LC_ALL, TZ, SSL_CERT_FILE and SSL_CERT_DIR.
	HostEnv []string
	// Cgroup is a cgroup (version 2) below which processes get theirs; "" is the one that was delegated to the host.
	Cgroup string
	// Env are variables, NAME=value, that every plugin gets; a configuration cannot change them.
	Env []string
	// Log takes what concerns the host's operator; nil is silence.
	Log hclog.Logger
}

// Launcher starts plugin processes. It is safe for concurrent use.
type Launcher struct {
	cfg    Config
	slots  *slots
	ooms   *oomWatch
	groups *cgroups
	bound  time.Duration // of the wait for what Close has killed

	mu       sync.Mutex
	live     map[*Process]bool // started, or about to be
	closed   bool
	stop     chan struct{}
	starting sync.WaitGroup // added to under mu, while not closed
	reaping  sync.WaitGroup
}

var _ task.Launcher = (*Launcher)(nil)

// New makes a Launcher. From then on the host adopts and reaps the orphans of its
// plugins. Close ends it.
func New(cfg Config) *Launcher {
	if cfg.HostEnv == nil {
		cfg.HostEnv = allowed
	}
	if cfg.Log == nil {
		cfg.Log = hclog.NewNullLogger()
	}
	adoptOrphans()
	if err := forswearPrivileges(); err != nil {
		cfg.Log.Debug("programs that tasks start may gain privileges by their file", "err", err)
	}
	l := &Launcher{
		cfg:    cfg,
		slots:  &slots{dir: cfg.RunDir, tasks: map[string]*taskSlots{}},
		ooms:   watchOOM(),
		groups: openCgroups(cfg.Cgroup, cfg.Log),
		bound:  killWait,
		live:   map[*Process]bool{},
		stop:   make(chan struct{}),
	}
	l.reaping.Go(l.reap)
	return l
}

// reap takes the exit status of orphans that end while nothing else looks.
func (l *Launcher) reap() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		select {
		case <-l.stop:
			return
		case <-ended:
		}
		select {
		case <-l.stop:
			return
		case <-time.After(reapEvery): // one look for all that end about now
		}
		reapOrphans()
	}
}

// Sweep ends everything that an earlier host left in RunDir, and waits for it. The
// launch of a task does the same for that task alone, so Sweep is not needed for safety;
// it is for the tasks that are not started again. It returns an error that names what
// did not go away, after having dealt with everything else.
func (l *Launcher) Sweep(ctx context.Context) error {
	entries, err := os.ReadDir(l.cfg.RunDir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep earlier processes: %w", err)
	}
	var group errgroup.Group
	group.SetLimit(16)
	errs := make([]error, len(entries))
	for i, e := range entries {
		if !e.IsDir() {
			continue
		}
		group.Go(func() error {
			ts := l.slots.of(e.Name())
			ts.mu.Lock()
			defer ts.mu.Unlock()
			if err := ts.sweep(ctx, filepath.Join(l.cfg.RunDir, e.Name())); err != nil {
				errs[i] = fmt.Errorf("sweep earlier processes of %s: %w", e.Name(), err)
			}
			return nil
		})
	}
	_ = group.Wait()
	return errors.Join(errs...)
}

// Close kills every process that still lives, waits for them, and ends the Launcher.
// Launches fail from then on. What does not end (it hangs in the kernel) is left after a while: the lock that it holds
// tells the next host.
func (l *Launcher) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		l.reaping.Wait()
		return
	}
	l.closed = true
	close(l.stop)
	l.mu.Unlock()
	l.starting.Wait() // a process either has started or never will
	l.mu.Lock()
	live := make([]*Process, 0, len(l.live))
	for p := range l.live {
		if p.child != nil {
			live = append(live, p)
		}
	}
	l.mu.Unlock()
	for _, p := range live {
		p.Kill()
	}
	limit, cancel := context.WithTimeout(context.Background(), l.bound)
	defer cancel()
	for _, p := range live {
		select {
		case <-p.done:
		case <-limit.Done():
			l.cfg.Log.Error("a process was killed and does not end", "task", p.spec.Task, "pid", p.child.pid)
		}
	}
	l.reaping.Wait()
}

// enter registers a process that is about to be started; the caller says when it is.
func (l *Launcher) enter(p *Process) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errors.New("the host is shutting down")
	}
	l.live[p] = true
	l.starting.Add(1)
	return nil
}

func (l *Launcher) leave(p *Process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, p)
}

// Launch starts a plugin process and shakes hands with it. See task.Launcher.
func (l *Launcher) Launch(ctx context.Context, spec task.LaunchSpec) (task.Process, error) {
	if spec.Timeout <= 0 {
		spec.Timeout = defaultTimeout
	}
	if spec.Log == nil {
		spec.Log = discard{}
	}
	path, err := filepath.Abs(spec.Path) // the process has a working directory of its own
	if err != nil {
		return nil, spawnFailure(spec, err)
	}
	spec.Path = path
	if ctx.Err() != nil {
		return nil, claimFailure(ctx, spec, context.Cause(ctx))
	}
	slot, err := l.slots.claim(ctx, spec.Task)
	if err != nil {
		return nil, claimFailure(ctx, spec, err)
	}
	p := newProcess(l, spec, slot)
	addr, err := l.shake(ctx, p)
	if err == nil {
		err = p.connect(ctx, addr)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// shake starts the process and waits for its handshake; it returns the address at which
// the plugin serves. When it fails, nothing of the process is left.
func (l *Launcher) shake(ctx context.Context, p *Process) (string, error) {
	began := time.Now()
	limit, cancel := context.WithDeadlineCause(ctx, began.Add(p.spec.Timeout), errNoHandshake)
	defer cancel()
	p.startBy = began.Add(p.spec.Timeout)

	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:     plugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins:    map[int]plugin.PluginSet{wire.ProtocolVersion: {}},
		AllowedProtocols:    []plugin.Protocol{plugin.ProtocolGRPC},
		SkipHostEnv:         true,
		Logger:              hclog.NewNullLogger(),
		PluginLogBufferSize: 16,
		// Our own limit ends the wait, so that a cancelled launch ends the same way.
		StartTimeout:     p.spec.Timeout + time.Hour,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: p.slot.dir},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			p.dir = dir
			return &stage{p: p, env: cmd.Env}, nil
		},
	})
	// The end of the launch lets go-plugin see the end of stdout; it gives up then.
	stop := context.AfterFunc(limit, p.greeting.end)
	_, err := client.Start()
	stop()
	p.greeting.end() // go-plugin's goroutines end with it; from here on everything is ours

	if p.child == nil {
		p.abandon()
		if err == nil {
			err = errors.New("not started")
		}
		return "", spawnFailure(p.spec, err)
	}
	if err == nil {
		return p.address, nil
	}
	return "", p.fail(limit, err)
}

type discard struct{}

func (discard) Line(task.LogLine) {}
