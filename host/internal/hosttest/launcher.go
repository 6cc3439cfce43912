package hosttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Plugin says how the processes of a Launcher behave. The zero Plugin starts at once and
// its runs succeed at once.
type Plugin struct {
	LaunchTime    time.Duration
	LaunchErr     error
	ConfigureTime time.Duration
	ConfigureErr  error
	DieConfigured bool // the process ends while it is configured
	// Stuck processes answer nothing and take nothing: only a kill ends them.
	Stuck bool
	// Run is the author's function; nil succeeds at once. The context ends at cancel.
	Run func(ctx context.Context, r *Run) task.RunResult
	// Method answers calls; nil knows no method.
	Method func(method string, input json.RawMessage) (json.RawMessage, error)
	// CloseTime is how long the process takes to close what it holds open.
	CloseTime time.Duration
}

// Launcher is a task.Launcher over Plugins in memory.
type Launcher struct {
	// Plugin picks the behaviour of a process; nil is the zero Plugin.
	Plugin func(spec task.LaunchSpec) Plugin

	mu        sync.Mutex
	launched  []*Process
	launching int
	most      int
}

var _ task.Launcher = (*Launcher)(nil)

// Launch starts a process. See task.Launcher.
func (l *Launcher) Launch(ctx context.Context, spec task.LaunchSpec) (task.Process, error) {
	var behaviour Plugin
	if l.Plugin != nil {
		behaviour = l.Plugin(spec)
	}
	l.mu.Lock()
	l.launching++
	l.most = max(l.most, l.launching)
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.launching--
	}()
	if err := sleep(ctx, behaviour.LaunchTime); err != nil {
		return nil, &task.LaunchError{Kind: task.LaunchStopped, Detail: "the launch was stopped", Err: err}
	}
	if behaviour.LaunchErr != nil {
		return nil, behaviour.LaunchErr
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &Process{
		Spec:   spec,
		plugin: behaviour, behaviour: l.Plugin,
		info: task.ProcessInfo{PID: 1000 + len(l.launched), Started: time.Now(), Version: spec.Version, Digest: spec.Digest},
		life: make(chan struct{}),
		done: make(chan struct{}),
	}
	l.launched = append(l.launched, p)
	return p, nil
}

// Processes returns every process that was launched, oldest first.
func (l *Launcher) Processes() []*Process {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Process(nil), l.launched...)
}

// MostLaunching returns how many launches went on at the same time, at most.
func (l *Launcher) MostLaunching() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.most
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Process is a task.Process in memory.
type Process struct {
	Spec      task.LaunchSpec
	plugin    Plugin
	behaviour func(task.LaunchSpec) Plugin // of those that join
	whole     *Process                     // of a seat
	info      task.ProcessInfo
	life      chan struct{} // closed when it dies
	done      chan struct{} // closed when nothing of it is left
	work      sync.WaitGroup

	mu         sync.Mutex
	dead       bool
	exit       task.ExitCause
	configured task.Configure
	session    *session
	runs       map[string]*Run
	drains     []string
	cancels    []task.CancelCause
	seats      []*Seat
}

var _ task.Process = (*Process)(nil)

var errGone = errors.New("the process is gone")

// Info describes the process.
func (p *Process) Info() task.ProcessInfo { return p.info }

// Configured returns what the process was configured with.
func (p *Process) Configured() task.Configure {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.configured
}

// Drains returns the runs that were asked to drain, in order; "" is the whole process.
func (p *Process) Drains() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.drains...)
}

// Cancels returns the causes of the cancels, in order.
func (p *Process) Cancels() []task.CancelCause {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]task.CancelCause(nil), p.cancels...)
}

// ask waits until a request has been dealt with: never, when the process is stuck.
func (p *Process) ask(ctx context.Context, d time.Duration) error {
	if p.plugin.Stuck {
		d = time.Duration(1 << 62)
	}
	if d <= 0 {
		select {
		case <-p.life:
			return errGone
		default:
			return ctx.Err()
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.life:
		return errGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Configure gives the process its task. See task.Process. A stuck process still takes it.
func (p *Process) Configure(ctx context.Context, c task.Configure) error {
	if p.plugin.DieConfigured {
		p.all().Die(task.ExitCause{Code: 3})
	}
	if p.plugin.ConfigureTime > 0 {
		if err := p.ask(ctx, p.plugin.ConfigureTime); err != nil {
			if errors.Is(err, errGone) {
				<-p.all().done // as a real one, which says how it ended
			}
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errGone
	}
	p.configured = c
	return p.plugin.ConfigureErr
}

// Open begins the session. See task.Process.
func (p *Process) Open(_ context.Context, reports task.Reports) (task.Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return nil, errGone
	}
	p.session = &session{p: p, reports: reports, out: make(chan func(task.Reports), 64), answers: map[uint64]chan task.Answer{}}
	p.runs = map[string]*Run{}
	p.work.Go(p.session.read)
	return p.session, nil
}

// Drain closes Stopping of a run, or closes the whole process. See task.Process.
func (p *Process) Drain(ctx context.Context, run string, _ time.Duration, _ string) error {
	p.mu.Lock()
	p.drains = append(p.drains, run)
	r := p.runs[run]
	p.mu.Unlock()
	wait := time.Duration(0)
	if run == "" {
		wait = p.plugin.CloseTime
	}
	if err := p.ask(ctx, wait); err != nil {
		return err
	}
	if r != nil {
		r.stop()
	}
	return nil
}

// Cancel ends the context of a run. See task.Process.
func (p *Process) Cancel(ctx context.Context, run string, cause task.CancelCause, _ time.Duration) error {
	p.mu.Lock()
	p.cancels = append(p.cancels, cause)
	r := p.runs[run]
	p.mu.Unlock()
	if err := p.ask(ctx, 0); err != nil {
		return err
	}
	if r != nil {
		r.cancel()
	}
	return nil
}

// Ping asks whether the process is well.
func (p *Process) Ping(ctx context.Context) error { return p.ask(ctx, 0) }

// Kill ends the process. See task.Process.
func (p *Process) Kill() { p.Die(task.ExitCause{Code: -1, Signal: "killed", ByHost: true}) }

// all is the whole process, of which p may be a seat.
func (p *Process) all() *Process {
	if p.whole != nil {
		return p.whole
	}
	return p
}

func (p *Process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// Die ends the process, as a crash does. Author code that does not look at its context
// must end by itself.
func (p *Process) Die(exit task.ExitCause) {
	p.die(exit)
	for _, s := range p.Seats() {
		s.Process.die(exit)
	}
}

func (p *Process) die(exit task.ExitCause) {
	p.mu.Lock()
	if p.dead {
		p.mu.Unlock()
		return
	}
	p.dead = true
	exit.At = time.Now()
	p.exit = exit
	for _, r := range p.runs {
		r.cancel()
	}
	close(p.life)
	p.mu.Unlock()
	go func() {
		p.work.Wait()
		for _, s := range p.Seats() {
			s.work.Wait()
		}
		close(p.done)
	}()
}

// Done is closed when the process is gone.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit says how it ended.
func (p *Process) Exit() task.ExitCause {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exit
}

// LoseSession breaks the stream while the process lives on.
func (p *Process) LoseSession() { p.endSession(errors.New("the stream has broken")) }

// CloseSession ends the stream in order while the process lives on.
func (p *Process) CloseSession() { p.endSession(task.ErrSessionEnded) }

func (p *Process) endSession(cause error) {
	p.mu.Lock()
	s := p.session
	p.mu.Unlock()
	s.send(func(task.Reports) { s.lose(cause) })
}

// session is a task.Session in memory.
type session struct {
	p       *Process
	reports task.Reports
	out     chan func(task.Reports)

	mu      sync.Mutex
	lost    bool
	answers map[uint64]chan task.Answer
	next    uint64
}

// read passes on what the plugin sends, in order, from one goroutine.
func (s *session) read() {
	for {
		select {
		case f := <-s.out:
			f(s.reports)
		case <-s.p.life:
			for { // what was sent before the end still arrives
				select {
				case f := <-s.out:
					f(s.reports)
				default:
					s.lose(errGone)
					return
				}
			}
		}
	}
}

func (s *session) lose(err error) {
	s.mu.Lock()
	was := s.lost
	s.lost = true
	s.mu.Unlock()
	if !was {
		s.reports.Lost(err)
	}
}

func (s *session) send(f func(task.Reports)) {
	select {
	case s.out <- f:
	case <-s.p.life:
	}
}

func (s *session) gone() error {
	if s.p.plugin.Stuck {
		<-s.p.life
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.p.life:
		return errGone
	default:
	}
	if s.lost {
		return errors.New("the session has ended")
	}
	return nil
}

// StartRun begins author code. See task.Session.
func (s *session) StartRun(start task.RunStart) error {
	if err := s.gone(); err != nil {
		return err
	}
	if len(start.Input) > 1<<20 {
		return fmt.Errorf("start run %s: too large for one frame", start.Run)
	}
	p := s.p
	ctx, cancel := context.WithCancel(context.Background())
	r := &Run{Start: start, s: s, cancel: cancel, stopping: make(chan struct{}), frames: make(chan []task.Delivery, 64)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		cancel()
		return errGone
	}
	p.runs[start.Run] = r
	p.work.Go(func() {
		defer cancel()
		s.send(func(to task.Reports) { to.RunEntered(start.Run, time.Now()) })
		result := task.RunResult{Status: task.StatusSucceeded}
		if p.plugin.Run != nil {
			result = p.plugin.Run(ctx, r)
		}
		result.Run, result.At = start.Run, time.Now()
		p.mu.Lock()
		delete(p.runs, start.Run)
		dead := p.dead
		p.mu.Unlock()
		if !dead {
			s.send(func(to task.Reports) { to.RunEnded(result) })
		}
	})
	return nil
}

// Call asks a method. See task.Session.
func (s *session) Call(ctx context.Context, method string, input json.RawMessage) (json.RawMessage, error) {
	if err := s.p.ask(ctx, 0); err != nil {
		return nil, err
	}
	if s.p.plugin.Method == nil {
		return nil, fmt.Errorf("method %q: unknown", method)
	}
	return s.p.plugin.Method(method, input)
}

// Deliver hands messages to a run. See task.Session.
func (s *session) Deliver(run string, ds []task.Delivery) error {
	if err := s.gone(); err != nil {
		return err
	}
	s.p.mu.Lock()
	r := s.p.runs[run]
	s.p.mu.Unlock()
	if r == nil {
		return nil // it has just ended, as with a real process
	}
	select {
	case r.frames <- ds:
		return nil
	case <-s.p.life:
		return errGone
	}
}

// Reply answers a request. See task.Session.
func (s *session) Reply(a task.Answer) error {
	if err := s.gone(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.answers[a.ID]; c != nil {
		delete(s.answers, a.ID)
		c <- a
	}
	return nil
}

// request sends a request and returns what its answer comes through.
func (s *session) request(send func(to task.Reports, id uint64)) <-chan task.Answer {
	c := make(chan task.Answer, 1)
	s.mu.Lock()
	s.next++
	id := s.next
	s.answers[id] = c
	s.mu.Unlock()
	s.send(func(to task.Reports) { send(to, id) })
	return c
}

// Run is what author code of a Plugin works with.
type Run struct {
	Start    task.RunStart
	s        *session
	cancel   context.CancelFunc
	stopping chan struct{}
	frames   chan []task.Delivery
	once     sync.Once
}

// Frames brings the messages that are delivered to the run, a frame at a time.
func (r *Run) Frames() <-chan []task.Delivery { return r.frames }

// Credit says how many deliveries the run takes.
func (r *Run) Credit(window int) {
	r.s.send(func(to task.Reports) { to.Credit(r.Start.Run, window) })
}

// Enter says that handlers were entered.
func (r *Run) Enter(tags ...uint64) {
	r.s.send(func(to task.Reports) { to.MessagesEntered(r.Start.Run, tags) })
}

// ExtendMessage gives a delivery more time.
func (r *Run) ExtendMessage(tag uint64, by time.Duration) {
	r.s.send(func(to task.Reports) { to.MessageExtended(r.Start.Run, tag, by) })
}

// Handle says what became of deliveries.
func (r *Run) Handle(h task.Handled) {
	r.s.send(func(to task.Reports) { to.MessagesHandled(r.Start.Run, h) })
}

func (r *Run) stop() { r.once.Do(func() { close(r.stopping) }) }

// Stopping is closed at drain.
func (r *Run) Stopping() <-chan struct{} { return r.stopping }

// Crash ends the process under the run.
func (r *Run) Crash(exit task.ExitCause) { r.s.p.all().Die(exit) }

// Dead is closed when the process has died: it ends author code that is deaf to everything else.
func (r *Run) Dead() <-chan struct{} { return r.s.p.life }

// Progress reports how far the run has come.
func (r *Run) Progress(done, total int64) {
	r.s.send(func(to task.Reports) {
		to.Progress(r.Start.Run, task.Progress{Done: done, Total: total, At: time.Now()})
	})
}

// Beat reports a sign of life.
func (r *Run) Beat(note string) { r.s.send(func(to task.Reports) { to.Beat(note) }) }

// Ready reports readiness.
func (r *Run) Ready(note string) { r.s.send(func(to task.Reports) { to.Ready(note) }) }

// Publish publishes a value.
func (r *Run) Publish(key, value string) {
	r.s.send(func(to task.Reports) { to.Published(key, json.RawMessage(value)) })
}

// Commit commits and waits for the answer.
func (r *Run) Commit(ops ...task.Op) error { return r.CommitFor(r.Start.Run, ops...) }

// CommitFor is Commit in the name of another run.
func (r *Run) CommitFor(run string, ops ...task.Op) error {
	return r.wait(r.CommitLater(run, ops...))
}

// CommitLater commits without waiting.
func (r *Run) CommitLater(run string, ops ...task.Op) <-chan task.Answer {
	return r.s.request(func(to task.Reports, id uint64) { to.Commit(id, run, ops) })
}

func (r *Run) wait(c <-chan task.Answer) error {
	select {
	case a := <-c:
		if a.Err != "" {
			return errors.New(a.Err)
		}
		return nil
	case <-r.s.p.life:
		return errGone
	}
}

// Load loads a value.
func (r *Run) Load(key string) (json.RawMessage, bool) {
	select {
	case a := <-r.s.request(func(to task.Reports, id uint64) { to.Load(id, key) }):
		return a.Value, a.OK
	case <-r.s.p.life:
		return nil, false
	}
}

// Extend asks for more time and waits for the answer.
func (r *Run) Extend(by time.Duration) bool {
	select {
	case a := <-r.s.request(func(to task.Reports, id uint64) { to.Extend(id, r.Start.Run, by) }):
		return a.OK
	case <-r.s.p.life:
		return false
	}
}
