package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/alarm"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/catalog"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/feed"
	"github.com/taskhost/taskhost/host/internal/logs"
	"github.com/taskhost/taskhost/host/internal/metrics"
	"github.com/taskhost/taskhost/host/internal/notify"
	"github.com/taskhost/taskhost/host/internal/pool"
	"github.com/taskhost/taskhost/host/internal/process"
	"github.com/taskhost/taskhost/host/internal/pulse"
	"github.com/taskhost/taskhost/host/internal/queue"
	"github.com/taskhost/taskhost/host/internal/redact"
	"github.com/taskhost/taskhost/host/internal/runner"
	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/supervisor"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/host/internal/trace"
	"github.com/taskhost/taskhost/host/internal/ui"
	"github.com/taskhost/taskhost/host/internal/usage"
)

// ServeOptions say how to run the host.
type ServeOptions struct {
	Source
	LogLevel  string // "": what the configuration says
	LogFormat string // text or json; "": what the configuration says
	Version   string
	Out       io.Writer // banner and log
	Color     bool
	Ready     func() // called in place of the banner, when the tasks are up; may be nil
}

// flushBound is how long the end of the host waits for the disk.
const flushBound = 5 * time.Second

// Serve runs the host on a configuration until a signal or the API ends it, and returns when
// every task has ended. It returns ErrConfig when the configuration has errors.
func Serve(ctx context.Context, o ServeOptions) error {
	spareMemory()
	spareProcessor()
	start := newLog(o, "info", "text")
	loaded := load(ctx, o.Source, loading{key: digestKey, catalog: func(dir string) *catalog.Catalog {
		return o.Source.catalog((&dataDir{path: dir}).join("plugins"), start)
	}})
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
	config  *config.Config // as the host was started with it; what holds now is with reloads
	started time.Time
	log     hclog.Logger

	data     *dataDir
	logs     *logs.Logs
	metrics  *metrics.Metrics
	usage    *usage.Sampler
	tracer   *trace.Tracer // nil: nobody wants traces
	feed     *feed.Feed
	store    *store.SQLite
	queues   *queue.Broker
	launcher *process.Launcher
	pulse    *pulse.Launcher
	runner   *runner.Runner
	clock    *alarm.Clock // of the slots
	fleet    *supervisor.Fleet
	notices  *queue.Broker // of notifications
	center   *notify.Center
	api      *api.API
	verbs    *verbs
	manager  *manager
	doors    doors
	reloads  *reloads
	catalog  *catalog.Catalog
	hides    hides
	page     *ui.Page
	listens  []string // where the API is served, once it is
	intakes  []string // where messages are taken, once they are
}

// assemble makes the parts, from the data directory up to the API. Nothing runs yet, except that what
// an earlier host left behind is ended.
func assemble(ctx context.Context, l Loaded, o ServeOptions) (_ *host, err error) {
	c := l.Config
	h := &host{options: o, config: c, started: time.Now(), feed: feed.New(), metrics: metrics.New(o.Version), catalog: l.catalog}
	h.hides.add(c.Hide, h.started)
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	h.log = newLog(o, c.Host.LogLevel, c.Host.LogFormat)
	h.manager = newManager(h.log)
	if h.tracer, err = trace.Open(ctx, os.Getenv, o.Version, h.log.Named("trace")); err != nil {
		return nil, err
	}
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
		Publish: h.feed.Publish, Committed: h.metrics.Committed, Log: h.log.Named("store"),
	})
	if err != nil {
		return nil, err
	}
	if h.reloads, err = newReloads(ctx, h, l); err != nil {
		return nil, err
	}
	h.usage = usage.New(h.store.Statuses)
	h.keep(nil, c.Tasks)
	if err = h.openQueues(ctx); err != nil {
		return nil, err
	}
	h.launcher = process.New(process.Config{RunDir: h.data.join("run"), Cgroup: c.Host.Cgroup, Env: programEnv(), Log: h.log.Named("process")})
	h.pulse = pulse.New(h.launcher, h.log.Named("process"))
	h.runner = runner.New(runner.Config{
		Launcher: redact.Launcher{Inner: pool.New(h.pulse), Hide: h.hides.hide},
		Values:   h.store,
		Queues:   h.tracer.Queues(h.queues),
		Plugins:  l.catalog,
		Version:  h.reloads.version,
		LogLevel: cmp.Or(o.LogLevel, c.Host.LogLevel),
		Logs:     func(name string) task.LogSink { return h.metrics.Sink(name, h.logs.Sink(name)) },
		Report:   func(name string, r task.Report) { h.metrics.Report(name, r); h.fleet.Report(name, r) },
		Log:      h.log.Named("runner"),
	})
	h.clock = alarm.New()
	h.fleet = supervisor.New(supervisor.Config{
		Engine:          h.tracer.Engine(h.runner),
		Journal:         h.metrics.Journal(h.tracer.Journal(h.store)),
		Intake:          h.intake,
		Rename:          h.rename,
		Timer:           func() supervisor.Timer { return h.clock.Timer() },
		ShutdownTimeout: c.Host.ShutdownTimeout,
		Log:             h.log,
	})
	h.readMetrics()
	if err = h.openNotices(ctx); err != nil {
		return nil, err
	}
	if err = h.openDoors(); err != nil {
		return nil, err
	}
	h.page = ui.New(ui.Options{Name: h.doors.text})
	h.verbs = newVerbs(h)
	served := api.Config{
		Fleet:   fleetView{h.fleet},
		Host:    h.verbs,
		Library: h.store,
		Feed:    h.feed,
		Replay:  h.store,
		Logs:    logView{h.logs},
		Plugins: h.reloads,
		Configs: h.reloads,
		Queues:  h.queues,
		Notices: noticeView{h.center},
		Meter:   h.metrics,
		Usage:   h.usage,
		Health:  health{h},
		Tracer:  h.requests(),
		Page:    h.page,
		Log:     h.log.Named("api"),
	}
	h.limits(&served)
	h.api = api.New(served)
	return h, nil
}

// run brings the host up, waits for its end and brings it down: first the tasks, while the API
// still shows how they end, then the API.
func (h *host) run(ctx context.Context) error {
	signals := h.watchSignals()
	defer signals.close()
	if err := h.launcher.Sweep(ctx); err != nil {
		// A launch looks again: the task that it belongs to does not start beside it, and no other has to do with it.
		h.log.Error("something that an earlier host left does not end", "err", err)
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

	err = h.reloads.begin(ctx)
	h.metrics.Reloaded(err, time.Now())
	if err == nil {
		err = h.center.Start()
		go h.countDead(apiCtx)
		go h.usage.Run(apiCtx)
	}
	if err == nil {
		h.tellReady()
		stopReloads := h.reloads.start(ctx)
		h.manager.ready(h.summary())
		h.manager.guard(fleetCtx, h.clock.Timer(), health{h}.Alive)
		err = h.wait(ctx, fleetDone, served)
		stopReloads()
		h.manager.stopping(h.reloads.now.Load().config.Host.ShutdownTimeout)
	}
	defer h.manager.close()
	endFleet(context.Cause(ctx))
	err = errors.Join(err, <-fleetDone)
	h.runner.Shutdown()
	endAPI()
	if serveErr := <-served; serveErr != nil {
		err = errors.Join(err, fmt.Errorf("serve the API: %w", serveErr))
	}
	h.center.Close() // before the queues that it puts into
	h.notices.Close()
	h.queues.Close() // after all who put in and take out
	h.flush(ctx)
	console.close()
	h.log.Info("stopped", "after", time.Since(h.started).Round(time.Millisecond))
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
	listeners, listens, err := h.listenAdmin(ctx)
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
	if h.pulse != nil {
		h.pulse.Close()
	}
	if h.launcher != nil {
		h.launcher.Close()
	}
	if h.center != nil {
		h.center.Close()
	}
	if h.notices != nil {
		h.notices.Close()
	}
	if h.queues != nil {
		h.queues.Close()
	}
	if err := h.doors.close(); err != nil {
		h.log.Error("cannot write what was last known of tokens and the audit log", "err", err)
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
	h.exportRest()
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
