package tasktest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskhost/taskhost/sdk/internal/solo"
	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// Test runs f in a bubble of its own (testing/synctest): time in it is virtual, so
// that an hour passes as soon as everything waits for it. Real files, sockets and
// child processes do not belong in there.
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		bubbles.Store(t, true)
		defer bubbles.Delete(t)
		f(t)
	})
}

// bubbles holds the tests that run within Test: only there may the kit wait for
// all other goroutines.
var bubbles sync.Map

// Task is one run of a task and what the task holds beside it. Its methods are safe
// for concurrent use. What is wrong with the harness, not with the run, fails the test.
type Task struct {
	t       testing.TB
	kind    *kind
	options options
	store   *solo.Store
	queue   *solo.Queue // nil of a type that handles no messages
	sent    *atomic.Int64
	process process
	host    *solo.Host
	log     *logs
	run     string
	attempt int
	runs    int // started so far by this task, for run ids

	begun <-chan struct{}
	done  chan struct{} // closed when the run has ended

	mu        sync.Mutex
	killed    string // why the process is no more, "" while it lives
	lost      bool   // it has lost its host
	timeout   *time.Timer
	timeoutAt time.Time
	drain     *time.Timer
	drainAt   time.Time
	stop      solo.Stop
	result    *taskv1.RunResult // nil of a run that was killed
	verdict   solo.Verdict      // valid when done is closed
}

// kind is a type and how a process for it is started.
type kind struct {
	description wire.Type
	parse       func(hcl string, env map[string]string) ([]byte, error)
	launch      func(log *logs, env map[string]string) (process, error)
	config      []byte
}

// Run starts a task of the type with the content of its config block, and in it one
// run. It returns when author code has been entered, or the run has ended without
// that. A config that is wrong fails the test (see [Config] to test that), and so
// does an open function that fails (see [Open]).
func Run(t testing.TB, typ task.Type, hcl string, opts ...Option) *Task {
	t.Helper()
	r, err := Open(t, typ, hcl, opts...)
	if err != nil {
		t.Fatalf("tasktest: %v", err)
	}
	return r
}

// Open is Run for a test that expects the config to be rejected or the open function
// to fail: it returns that error.
func Open(t testing.TB, typ task.Type, hcl string, opts ...Option) (*Task, error) {
	t.Helper()
	built := buildOne(t, typ)
	return start(t, &kind{
		description: built.Description,
		parse: func(hcl string, env map[string]string) ([]byte, error) {
			c := parse(built, hcl, env)
			return c.Msgpack, c.Err()
		},
		launch: func(log *logs, _ map[string]string) (process, error) { return startMemory(typ, log) },
	}, hcl, opts)
}

// start launches a process and the first run in it.
func start(t testing.TB, k *kind, hcl string, opts []Option) (*Task, error) {
	t.Helper()
	o := options{
		task: "test", level: "trace", trigger: "manual", concurrency: 1, batch: 100, maxDeliveries: 5, queue: "queue",
	}.apply(opts)
	if o.mode == "" {
		o.mode = task.Mode(k.description.Modes[0])
	}
	config, err := k.parse(hcl, o.env)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	k.config = config
	r := &Task{t: t, kind: k, options: o, store: &solo.Store{}, sent: new(atomic.Int64), log: &logs{}}
	if !o.unwired {
		r.store.Wire()
	}
	if k.description.Message != nil {
		r.queue = solo.NewQueue(solo.QueueConfig{
			Name: o.queue, MaxDeliveries: o.maxDeliveries, Backoff: o.backoff, Batch: k.description.Batch,
		})
	}
	for key, value := range o.checkpoint {
		r.store.Set(key, value)
	}
	if err := r.launch(); err != nil {
		return nil, err
	}
	if err := r.begin("run1", 1); err != nil {
		return nil, err
	}
	return r, nil
}

// launch starts a process, configures it and begins the session.
func (r *Task) launch() error {
	p, err := r.kind.launch(r.log, r.options.env)
	if err != nil {
		return err
	}
	r.process = p
	r.t.Cleanup(func() {
		if err := p.close(); err != nil {
			r.t.Errorf("tasktest: %v", err)
		}
	})
	host, err := solo.Open(context.Background(), p.connection(), r.store, solo.Config{
		Task: r.options.task, Type: r.kind.description.Name, Mode: string(r.options.mode),
		Schema: r.kind.description.Schema, Config: r.kind.config,
		LogLevel: r.options.level, Pause: r.options.pause, Watchdog: r.options.watchdog, MaxFrame: r.options.maxFrame,
		AfterCommit: r.afterCommit, BeforeAck: r.beforeAck, Extend: r.extend, Queue: r.queue,
	})
	if err != nil {
		return err
	}
	r.t.Cleanup(func() {
		host.Cut()
		<-host.Done()
	})
	r.host = host
	return nil
}

// begin starts an attempt and waits until author code is entered.
func (r *Task) begin(run string, attempt int) error {
	if r.options.err != nil {
		return r.options.err
	}
	if err := r.checkInput(); err != nil {
		return err
	}
	slot := r.options.slot
	if slot.IsZero() {
		slot = time.Now()
	}
	q := &taskv1.RunStart{
		Run: run, Attempt: uint32(attempt), Trigger: r.options.trigger, Actor: r.options.actor,
		Slot: nanos(slot), PreviousSlot: nanos(r.options.previousSlot), LastSuccess: nanos(r.options.lastSuccess),
		Input: r.options.input,
	}
	consumes := r.queue != nil
	if consumes {
		q.Consume = &taskv1.Consume{Concurrency: uint32(r.options.concurrency), Timeout: int64(r.options.timeout)}
		if r.kind.description.Batch {
			q.Consume.BatchSize, q.Consume.BatchWait = uint32(r.options.batch), int64(r.options.batchWait)
		}
	} else if r.options.timeout > 0 {
		q.Deadline = time.Now().Add(r.options.timeout).UnixNano()
	}
	for key, value := range r.store.RunValues(run) {
		if q.Values == nil {
			q.Values = make(map[string][]byte)
		}
		q.Values[key] = value
	}
	r.run, r.attempt, r.done = run, attempt, make(chan struct{})
	entered, ended, err := r.host.Start(q)
	if err != nil {
		return err
	}
	if r.options.timeout > 0 && !consumes {
		r.mu.Lock()
		r.timeoutAt = time.Now().Add(r.options.timeout)
		r.timeout = time.AfterFunc(r.options.timeout, func() { r.cancel(taskv1.Cause_CAUSE_TIMEOUT) })
		r.mu.Unlock()
	}
	go r.follow(ended)
	select {
	case <-entered:
	case <-r.done:
	}
	return nil
}

// follow waits for the end of the run.
func (r *Task) follow(ended <-chan *taskv1.RunResult) {
	defer close(r.done)
	var result *taskv1.RunResult
	select {
	case result = <-ended:
	case <-r.host.Done():
		select {
		case result = <-ended: // it came with the last frames
		default:
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result = result
	for _, timer := range []*time.Timer{r.timeout, r.drain} {
		if timer != nil {
			timer.Stop()
		}
	}
	switch {
	case result != nil:
		r.verdict = r.stop.Judge(result, r.options.mode == task.ModeContinuous)
	case r.lost:
		r.verdict = solo.Verdict{Outcome: "lost", Class: "crash", Message: r.killed}
	default:
		if r.killed == "" {
			r.killed = "the process ended under the run"
		}
		r.verdict = r.stop.Killed(r.killed)
	}
}

func (r *Task) checkInput() error {
	if r.options.input == nil {
		return nil
	}
	if r.kind.description.Input == nil {
		return fmt.Errorf("type %q takes no input", r.kind.description.Name)
	}
	var texts []string
	for _, p := range r.kind.description.Input.Check(r.options.input) {
		texts = append(texts, p.String())
	}
	if len(texts) > 0 {
		return fmt.Errorf("input: %s", strings.Join(texts, "; "))
	}
	return nil
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// afterCommit is called by the session for every commit.
func (r *Task) afterCommit(n int) bool {
	if r.options.killAfter == 0 || n != r.options.killAfter {
		return true
	}
	r.die(fmt.Sprintf("the process was killed after commit %d", n))
	return false
}

// beforeAck is called by the session for every acknowledgement.
func (r *Task) beforeAck(n int) bool {
	if r.options.killBefore == 0 || n != r.options.killBefore {
		return true
	}
	r.die(fmt.Sprintf("the process was killed before acknowledgement %d", n))
	return false
}

func (r *Task) die(why string) {
	r.mu.Lock()
	if r.killed == "" {
		r.killed = why
	}
	r.mu.Unlock()
	r.process.kill()
}

// extend grants what a run asks for, while it has something to extend.
func (r *Task) extend(_ string, by time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	timer, at := r.timeout, &r.timeoutAt
	if r.drain != nil {
		timer, at = r.drain, &r.drainAt
	}
	if timer == nil || !timer.Stop() {
		return false
	}
	*at = at.Add(by)
	timer.Reset(time.Until(*at))
	return true
}

// Stop begins a graceful stop of the run: Stopping closes, and after grace the
// context ends with task.ErrStopTimeout. It does not wait; [Task.Outcome] does.
func (r *Task) Stop(grace time.Duration) {
	r.t.Helper()
	r.mu.Lock()
	if r.drain == nil {
		if r.timeout != nil {
			r.timeout.Stop() // what bounds it now is the drain
		}
		r.drainAt = time.Now().Add(grace)
		r.drain = time.AfterFunc(grace, func() { r.cancel(taskv1.Cause_CAUSE_STOP_TIMEOUT) })
	}
	r.stop.Ask(solo.Stopped)
	r.mu.Unlock()
	if err := r.host.Stop(context.Background(), r.run, grace, "test"); err != nil && !r.over() {
		r.t.Errorf("tasktest: stop: %v", err)
	}
}

// Cancel ends the run's context at once, with task.ErrCancelled. It does not wait.
func (r *Task) Cancel() {
	r.t.Helper()
	r.cancel(taskv1.Cause_CAUSE_CANCELLED)
}

func (r *Task) cancel(cause taskv1.Cause) {
	r.mu.Lock()
	switch cause {
	case taskv1.Cause_CAUSE_CANCELLED:
		r.stop.Ask(solo.Cancelled)
	case taskv1.Cause_CAUSE_TIMEOUT:
		r.stop.Ask(solo.TimedOut)
	default:
		r.stop.Cut()
	}
	r.mu.Unlock()
	if err := r.host.Cancel(context.Background(), r.run, cause, 0); err != nil && !r.over() {
		r.t.Errorf("tasktest: cancel: %v", err)
	}
}

// Kill ends the process at once, as SIGKILL does, wherever author code is.
func (r *Task) Kill() {
	r.die("the process was killed")
	r.host.Cut()
}

// LoseHost takes the host away, as its death does: the run may drain for a second,
// then its context ends with task.ErrHostGone, and nothing that it commits is kept.
// The outcome is lost.
func (r *Task) LoseHost() {
	r.mu.Lock()
	r.killed, r.lost = "the host is gone", true
	r.mu.Unlock()
	r.process.orphan()
	if r.queue != nil {
		r.queue.Detach(false)
	}
	r.host.Cut()
}

// ExitCode waits until the process of a [Program] has ended and is its exit code, -1
// when it was killed.
func (r *Task) ExitCode() int {
	r.t.Helper()
	p, ok := r.process.(*subprocess)
	if !ok {
		r.t.Fatal("tasktest: a task in memory has no exit code")
	}
	<-p.exited
	return p.cmd.ProcessState.ExitCode()
}

// Signal sends a signal to the process of a [Program].
func (r *Task) Signal(s os.Signal) {
	r.t.Helper()
	p, ok := r.process.(*subprocess)
	if !ok {
		r.t.Fatal("tasktest: a task in memory gets no signals")
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		r.t.Errorf("tasktest: signal: %v", err)
	}
}

func (r *Task) over() bool {
	select {
	case <-r.done:
		return true
	case <-r.host.Done():
		return true
	default:
		return false
	}
}

// Close stops the whole task gracefully and waits until its object is closed: after
// that the process would end. A task that does not end within grace is cancelled.
func (r *Task) Close(grace time.Duration) {
	r.t.Helper()
	if !r.over() {
		r.Stop(grace)
	}
	if err := r.host.Stop(context.Background(), "", grace, "test"); err != nil && !r.over() {
		r.t.Errorf("tasktest: close: %v", err)
	}
	<-r.host.Done()
	<-r.done
}

// Next starts another run of the task, in the same process, when this one has
// ended; options change what was said before. The checkpoint and the state stay.
func (r *Task) Next(opts ...Option) *Task {
	r.t.Helper()
	return r.again(fmt.Sprintf("run%d", r.runs+2), 1, opts)
}

// Retry starts the next attempt of the same run when this one has ended: it finds
// the run-scoped values. A process that was killed or closed is started anew.
func (r *Task) Retry(opts ...Option) *Task {
	r.t.Helper()
	return r.again(r.run, r.attempt+1, opts)
}

func (r *Task) again(run string, attempt int, opts []Option) *Task {
	r.t.Helper()
	<-r.done
	next := &Task{t: r.t, kind: r.kind, store: r.store, queue: r.queue, sent: r.sent, process: r.process, host: r.host, log: r.log, runs: r.runs}
	if run != r.run {
		next.runs++
	}
	next.options = r.options
	next.options.killAfter, next.options.killBefore = 0, 0
	next.options = next.options.apply(opts)
	var err error
	r.mu.Lock()
	dead := r.killed != ""
	r.mu.Unlock()
	select {
	case <-r.host.Done():
		dead = true
	default:
	}
	if dead {
		err = next.launch()
	}
	if err == nil {
		err = next.begin(run, attempt)
	}
	if err != nil {
		r.t.Fatalf("tasktest: %v", err)
	}
	return next
}

// settle waits until what author code has reported so far has arrived. In Test,
// author code first goes on until it waits for something.
func (r *Task) settle() {
	if _, ok := bubbles.Load(r.t); ok {
		synctest.Wait()
	}
	// The refusal of a call that no type serves comes after everything before it.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, _ = r.host.Call(ctx, "", nil)
}

// Wait waits until the run has ended.
func (r *Task) Wait() { <-r.done }

// Outcome waits for the end of the run and says how a host records it: succeeded,
// failed, timed_out, cancelled, interrupted, skipped or lost. What the run was asked
// decides with what it returned: an error after a cancel is cancelled, and a run that
// returns as interrupted although nothing had asked it to stop has failed.
func (r *Task) Outcome() string {
	<-r.done
	return r.verdict.Outcome
}

// Message waits for the end of the run and is its error's text, the skip's reason or
// the interruption's note.
func (r *Task) Message() string {
	<-r.done
	return r.verdict.Message
}

// Stack waits for the end of the run and is the stack of its panic, if it panicked.
func (r *Task) Stack() string {
	<-r.done
	return r.result.GetStack()
}

// Class waits for the end of the run and says what kind of failure it was, for the
// retry policy: "" of a run that has not failed, otherwise error, permanent, retry,
// unhealthy, timeout, panic or crash.
func (r *Task) Class() string {
	<-r.done
	return r.verdict.Class
}

// RetryAfter waits for the end of the run and is the time that its error asks for.
func (r *Task) RetryAfter() time.Duration {
	<-r.done
	return time.Duration(r.result.GetRetryAfter())
}

// ObservedStop waits for the end of the run and reports whether author code looked
// at Stopping or at its context when it was stopped.
func (r *Task) ObservedStop() bool {
	<-r.done
	return r.result.GetObservedStop()
}

// Result waits for the end of the run and is a job's result as JSON, "" for none.
func (r *Task) Result() string {
	<-r.done
	return string(r.result.GetResult())
}

// State is a published value as JSON, "" for none. In a bubble, everything that was
// published before is there.
func (r *Task) State(key string) string {
	r.settle()
	return string(r.host.State()[key])
}

// Checkpoint is a value of the task's checkpoint as JSON, "" for none.
func (r *Task) Checkpoint(key string) string { return string(r.store.Checkpoint()[key]) }

// RunValue is a run-scoped value as JSON, "" for none.
func (r *Task) RunValue(key string) string { return string(r.store.RunValues(r.run)[key]) }

// Commits is the number of commits that the task has made, over all its runs.
func (r *Task) Commits() int { return r.store.Commits() }

// Message is a message that the task has emitted. An id that the SDK made begins with "~".
type Message struct {
	ID, Key string
	Value   string // JSON
}

// Emitted is what an output got, in order.
func (r *Task) Emitted(output string) []Message {
	var out []Message
	for _, m := range r.store.Messages() {
		if m.Output == output {
			out = append(out, Message{m.ID, m.Key, string(m.Value)})
		}
	}
	return out
}

// Progress is what the task last said of its progress.
func (r *Task) Progress() (done, total int64, note string) {
	r.settle()
	p := r.host.Progress()
	return p.Done, p.Total, p.Note
}

// WaitReady waits until author code has called Ready. It fails the test when the run
// ends without that, or a minute passes.
func (r *Task) WaitReady() {
	r.t.Helper()
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	select {
	case <-r.host.Up():
	case <-r.done:
		r.t.Errorf("tasktest: the run ended before it was ready: %s", r.Message())
	case <-timer.C:
		r.t.Errorf("tasktest: the run was not ready within a minute")
	}
}

// Ready are the notes with which the task said that it is ready.
func (r *Task) Ready() []string {
	r.settle()
	return r.host.Ready()
}

// Beats is the number of signs of life that arrived.
func (r *Task) Beats() int {
	r.settle()
	return r.host.Beats()
}

// Logs is what author code has logged so far, over all processes of the task. Of a
// [Program] it holds what the process wrote to stdout and stderr, too.
func (r *Task) Logs() []Line { return r.log.lines() }

// Call calls a method of the live object with in as JSON and decodes its reply into
// out, unless that is nil. Input and result are checked against the method's own
// description, as the API does it.
func (r *Task) Call(method string, in, out any) error {
	r.t.Helper()
	input, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode input: %w", err)
	}
	for _, m := range r.kind.description.Methods {
		if m.Name != method {
			continue
		}
		if problems := m.Input.Check(input); len(problems) > 0 {
			return fmt.Errorf("input: %s", problems[0])
		}
	}
	reply, err := r.host.Call(context.Background(), method, input)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("decode result: %w", err)
	}
	return nil
}
