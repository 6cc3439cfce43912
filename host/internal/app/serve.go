package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/alarm"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/logs"
	"github.com/taskhost/taskhost/host/internal/process"
	"github.com/taskhost/taskhost/host/internal/queue"
	"github.com/taskhost/taskhost/host/internal/redact"
	"github.com/taskhost/taskhost/host/internal/runner"
	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/supervisor"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/host/internal/ui"
)

// ServeOptions say how to run the host.
type ServeOptions struct {
	Source
	LogLevel  string // "": what the configuration says
	LogFormat string // text or json; "": what the configuration says
	Version   string
	Out       io.Writer // banner and log
	Color     bool
}

// flushBound is how long the end of the host waits for the disk.
const flushBound = 5 * time.Second

// Serve runs the host on a configuration until a signal or the API ends it, and returns when
// every task has ended. It returns ErrConfig when the configuration has errors.
func Serve(ctx context.Context, o ServeOptions) error {
	spareMemory()
	start := newLog(o, "info", "text")
	copies := func(dir string) string { return (&dataDir{path: dir}).join("plugins") }
	loaded := load(ctx, o.Source, copies, digestKey, start)
	if len(loaded.diags) > 0 {
		if err := loaded.Render(o.Out, o.Color); err != nil {
			return err
		}
	}
	if loaded.Failed() {
		return ErrConfig
	}
	h, err := assemble(ctx, loaded, o)
	if err != nil {
		return err
	}
	defer h.close()
	return h.run(ctx)
}

// host holds the parts of a running host. Parts further down may use those further up.
type host struct {
	options ServeOptions
	config  *config.Config
	started time.Time
	log     hclog.Logger

	data     *dataDir
	logs     *logs.Logs
	feed     *feed.Feed
	store    *store.SQLite
	queues   *queue.Broker
	launcher *process.Launcher
	runner   *runner.Runner
	clock    *alarm.Clock // of the slots
	fleet    *supervisor.Fleet
	api      *api.API
	verbs    *verbs
	manager  *manager
	token    string
	page     *ui.Page
	listens  []string // where the API is served, once it is
	intakes  []string // where messages are taken, once they are
}

// assemble makes the parts, from the data directory up to the API. Nothing runs yet, except that what
// an earlier host left behind is ended.
func assemble(ctx context.Context, l Loaded, o ServeOptions) (_ *host, err error) {
	c := l.Config
	h := &host{options: o, config: c, started: time.Now(), feed: feed.New()}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	h.log = newLog(o, c.Host.LogLevel, c.Host.LogFormat)
	h.manager = newManager(h.log)
	if h.data, err = openDataDir(c.Host.DataDir); err != nil {
		return nil, err
	}
	if err = letUsersPass(c.Tasks, h.data, l.catalog); err != nil {
		return nil, err
	}
	if h.logs, err = logs.Open(h.data.join("logs"), logs.Options{Quota: c.Host.Keep.Logs, Log: h.log.Named("logs")}); err != nil {
		return nil, fmt.Errorf("open the logs: %w", err)
	}
	h.store, err = store.Open(h.data.join(storeFile), store.Options{
		Keep: c.Host.Keep, KeepTotal: c.Host.KeepTotal.Runs, KeepBytes: c.Host.KeepTotal.Disk,
		Publish: h.feed.Publish, Log: h.log.Named("store"),
	})
	if err != nil {
		return nil, err
	}
	for _, d := range c.Tasks {
		h.store.SetKeep(d.Name, d.Keep)
		h.logs.SetQuota(d.Name, d.Keep.Logs)
	}
	if err = h.openQueues(ctx); err != nil {
		return nil, err
	}
	h.launcher = process.New(process.Config{RunDir: h.data.join("run"), Cgroup: c.Host.Cgroup, Log: h.log.Named("process")})
	h.runner = runner.New(runner.Config{
		Launcher: redact.Launcher{Inner: h.launcher, Hide: c.Hide},
		Values:   h.store,
		Queues:   h.queues,
		Plugins:  l.catalog,
		Version:  pluginView(c.Plugins).version,
		LogLevel: cmp.Or(o.LogLevel, c.Host.LogLevel),
		Logs:     h.logs.Sink,
		Report:   func(name string, r task.Report) { h.fleet.Report(name, r) },
		Log:      h.log.Named("runner"),
	})
	h.clock = alarm.New()
	h.fleet = supervisor.New(supervisor.Config{
		Engine:          h.runner,
		Journal:         h.store,
		Intake:          h.intake,
		Timer:           func() supervisor.Timer { return h.clock.Timer() },
		ShutdownTimeout: c.Host.ShutdownTimeout,
		Log:             h.log,
	})
	if h.token, err = api.LoadToken(h.data.join("admin.token")); err != nil {
		return nil, err
	}
	producers, err := h.producers()
	if err != nil {
		return nil, err
	}
	h.page = ui.New(ui.Options{Name: h.token})
	h.verbs = newVerbs(h)
	h.api = api.New(api.Config{
		Fleet:   fleetView{h.fleet},
		Host:    h.verbs,
		Library: h.store,
		Feed:    h.feed,
		Replay:  h.store,
		Logs:    logView{h.logs},
		Plugins: pluginView(c.Plugins),
		Queues:  h.queues,
		Token:   api.NewToken("admin", h.token),
		Produce: producers,
		Page:    h.page,
		Log:     h.log.Named("api"),
	})
	return h, nil
}

// run brings the host up, waits for its end and brings it down: first the tasks, while the API
// still shows how they end, then the API.
func (h *host) run(ctx context.Context) error {
	signals := h.watchSignals()
	defer signals.close()
	if err := h.launcher.Sweep(ctx); err != nil {
		return fmt.Errorf("end what an earlier host left: %w", err)
	}
	apiCtx, endAPI := context.WithCancel(context.WithoutCancel(ctx))
	defer endAPI()
	served, err := h.serveAPI(apiCtx)
	if err != nil {
		return err
	}

	console := h.startConsole()
	defer console.close()
	fleetCtx, endFleet := context.WithCancelCause(context.WithoutCancel(ctx))
	defer endFleet(nil)
	fleetDone := make(chan error, 1)
	go func() { fleetDone <- h.fleet.Run(fleetCtx) }()

	err = h.fleet.Apply(ctx, task.Generation{Number: 1, Digest: h.config.Digest, Tasks: h.config.Tasks, Groups: h.config.Groups, Queues: h.config.Queues, Applied: time.Now()})
	if err == nil {
		h.banner()
		h.verbs.setReady()
		h.manager.ready(h.summary())
		h.manager.guard(fleetCtx, h.clock.Timer(), h.alive)
		err = h.wait(ctx, fleetDone, served)
		h.manager.stopping(h.config.Host.ShutdownTimeout)
	}
	defer h.manager.close()
	endFleet(context.Cause(ctx))
	err = errors.Join(err, <-fleetDone)
	h.runner.Shutdown()
	endAPI()
	if serveErr := <-served; serveErr != nil {
		err = errors.Join(err, fmt.Errorf("serve the API: %w", serveErr))
	}
	h.queues.Close() // after all who put in and take out
	h.flush(ctx)
	console.close()
	h.log.Info("stopped", "after", time.Since(h.started).Round(time.Millisecond))
	return err
}

// alive comes back when the scheduler does its work.
func (h *host) alive(ctx context.Context) error {
	_, err := h.fleet.Host(ctx)
	return err
}

// flush makes what the tasks did last durable, and so known to the console.
func (h *host) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushBound)
	defer cancel()
	if err := h.store.Flush(ctx); err != nil {
		h.log.Error("the last records are not on the disk", "err", err)
	}
}

// wait returns when somebody asked the host to end: a signal, the API or ctx. A part that broke
// ends it too.
func (h *host) wait(ctx context.Context, fleetDone, served chan error) error {
	select {
	case <-ctx.Done():
		return nil
	case <-h.verbs.asked():
		return nil
	case err := <-served:
		served <- nil
		return fmt.Errorf("serve the API: %w", err)
	case err := <-fleetDone:
		fleetDone <- nil
		return fmt.Errorf("run the tasks: %w", err)
	}
}

// serveAPI serves the API and the ingress until ctx ends; what comes of them arrives once, when both have ended.
func (h *host) serveAPI(ctx context.Context) (chan error, error) {
	listeners, listens, err := listenAll(ctx, h.config.Host.Admin.Listen, api.Listen)
	if err != nil {
		return nil, err
	}
	intakes, err := h.listenIngress(ctx)
	if err != nil {
		for _, l := range listeners {
			err = errors.Join(err, l.Close())
		}
		return nil, err
	}
	h.listens = listens
	ctx, cancel := context.WithCancel(ctx) // when one breaks the other ends, too
	served := make(chan error, 1)
	ingress := make(chan error, 1)
	go func() { defer cancel(); ingress <- h.api.ServeIngress(ctx, intakes...) }()
	go func() {
		err := h.api.Serve(ctx, listeners...)
		cancel()
		served <- errors.Join(err, <-ingress)
	}()
	return served, nil
}

// close ends what assemble has opened, in reverse order.
func (h *host) close() {
	if h.page != nil {
		h.page.Close()
	}
	h.feed.Close()
	if h.clock != nil {
		h.clock.Close()
	}
	if h.launcher != nil {
		h.launcher.Close()
	}
	if h.queues != nil {
		h.queues.Close()
	}
	if h.store != nil { // after all who write to it
		if err := h.store.Close(); err != nil {
			h.log.Error("cannot close the store", "err", err)
		}
	}
	if h.logs != nil {
		if err := h.logs.Close(); err != nil {
			h.log.Warn("cannot close the logs", "err", err)
		}
	}
	if h.data != nil {
		h.data.close()
	}
}

// newLog makes the host's own log; options win over the configuration.
func newLog(o ServeOptions, level, format string) hclog.Logger {
	if o.LogLevel != "" {
		level = o.LogLevel
	}
	if o.LogFormat != "" {
		format = o.LogFormat
	}
	options := &hclog.LoggerOptions{Level: hclog.LevelFromString(level), Output: o.Out, JSONFormat: format == "json"}
	if !options.JSONFormat {
		options.TimeFormat = "15:04:05"
		if o.Color {
			options.Color = hclog.ForceColor
		}
	}
	return hclog.New(options)
}
