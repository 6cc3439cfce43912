package solo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// Config is what an instance is configured with, and how its requests are answered.
type Config struct {
	Task     string
	Type     string
	Mode     string
	Schema   string // hash
	Config   []byte // msgpack
	LogLevel string
	Pause    time.Duration
	Watchdog time.Duration
	MaxFrame int // 0: the default

	// AfterCommit is called when the n-th commit is stored and before it is
	// answered; false ends the session there. It must not block.
	AfterCommit func(n int) bool
	// BeforeAck is called before the n-th acknowledgement of messages is stored; false ends the
	// session there. It must not block.
	BeforeAck func(n int) bool
	// Queue holds the messages of a type that consumes; nil of other types.
	Queue *Queue
	// Extend answers a request for more time; nil grants all.
	Extend func(run string, by time.Duration) bool
}

// Rejected is a config that the plugin does not accept.
type Rejected struct{ Problems []schema.Problem }

func (r *Rejected) Error() string {
	texts := make([]string, len(r.Problems))
	for i, p := range r.Problems {
		texts[i] = p.String()
	}
	return "the plugin rejects its config: " + strings.Join(texts, "; ")
}

// Progress is the last that a run has said of its progress.
type Progress struct {
	Done, Total int64
	Note        string
}

// Host is one session with one instance. It is safe for concurrent use.
type Host struct {
	config Config
	client taskv1.TaskClient
	store  *Store
	stream taskv1.Task_SessionClient
	cancel context.CancelFunc
	done   chan struct{} // closed when the session has ended
	up     chan struct{} // closed when the task says that it is ready

	sendMu sync.Mutex // of stream.Send and sent
	sent   uint64

	mu       sync.Mutex
	seen     uint64
	err      error // why the session ended; nil: the instance is closed
	runs     map[string]chan *taskv1.RunResult
	entered  map[string]chan struct{}
	calls    map[uint64]chan *taskv1.MethodReply
	nextCall uint64
	state    map[string]json.RawMessage
	progress Progress
	ready    []string
	beats    int
	consumes string // the run that is attached to the queue
	acks     int
}

// Open configures an instance and begins its session. A config that the plugin
// rejects is a *Rejected.
func Open(ctx context.Context, conn grpc.ClientConnInterface, store *Store, c Config) (*Host, error) {
	client := taskv1.NewTaskClient(conn)
	answer, err := client.Configure(ctx, &taskv1.ConfigureRequest{
		Instance: c.Task, Task: c.Task, Type: c.Type, SchemaHash: c.Schema, Config: c.Config,
		LogLevel: c.LogLevel, MaxFrame: uint32(c.MaxFrame), Mode: c.Mode, Pause: int64(c.Pause), Watchdog: int64(c.Watchdog),
	})
	if err != nil {
		return nil, fmt.Errorf("configure: %s", status.Convert(err).Message())
	}
	if len(answer.GetProblems()) > 0 {
		r := &Rejected{}
		for _, p := range answer.GetProblems() {
			r.Problems = append(r.Problems, wire.ToProblem(p))
		}
		return nil, r
	}
	if answer.GetError() != "" {
		return nil, fmt.Errorf("open: %s", answer.GetError())
	}
	h := &Host{
		config: c, client: client, store: store, done: make(chan struct{}), up: make(chan struct{}),
		runs:    make(map[string]chan *taskv1.RunResult),
		entered: make(map[string]chan struct{}),
		calls:   make(map[uint64]chan *taskv1.MethodReply),
		state:   make(map[string]json.RawMessage),
	}
	sessionContext, cancel := context.WithCancel(context.Background())
	h.cancel = cancel
	if err := h.begin(sessionContext); err != nil {
		cancel()
		return nil, fmt.Errorf("begin session: %w", err)
	}
	go h.read()
	return h, nil
}

func (h *Host) begin(ctx context.Context) error {
	stream, err := h.client.Session(ctx)
	if err != nil {
		return err
	}
	h.stream = stream
	hello := &taskv1.Hello{Instance: h.config.Task, Token: "solo"}
	if err := stream.Send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Hello{Hello: hello}}); err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetWelcome() == nil {
		return errors.New("the plugin does not begin with welcome")
	}
	return nil
}

// send numbers and sends a frame.
func (h *Host) send(f *taskv1.HostFrame) error {
	h.mu.Lock()
	f.Ack = h.seen
	h.mu.Unlock()
	h.sendMu.Lock()
	defer h.sendMu.Unlock()
	h.sent++
	f.Seq = h.sent
	return h.stream.Send(f)
}

// read takes what the plugin sends until the session ends.
func (h *Host) read() {
	defer close(h.done)
	defer func() { h.detach(h.consuming(), true) }()
	for {
		f, err := h.stream.Recv()
		if err != nil {
			h.ended(err)
			return
		}
		h.detach(f.GetRunResult().GetRun(), false)
		h.take(f)
		if !h.answer(f) { // may block in Send, but never for good: the plugin always reads
			h.ended(errors.New("cut"))
			return
		}
	}
}

// consuming is the run that handles messages; "" is none.
func (h *Host) consuming() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.consumes
}

// detach ends the handling of messages by a run, if that does so.
func (h *Host) detach(run string, crashed bool) {
	h.mu.Lock()
	attached := run != "" && h.consumes == run
	if attached {
		h.consumes = ""
	}
	h.mu.Unlock()
	if attached {
		h.config.Queue.Detach(crashed)
	}
}

func (h *Host) ended(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !errors.Is(err, io.EOF) {
		h.err = fmt.Errorf("the session is lost: %s", status.Convert(err).Message())
		if status.Code(err) == codes.Canceled {
			h.err = errors.New("the session was cut")
		}
	}
}

// take handles one frame.
func (h *Host) take(f *taskv1.PluginFrame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = max(h.seen, f.GetSeq())
	switch b := f.GetBody().(type) {
	case *taskv1.PluginFrame_RunEntered:
		if c := h.entered[b.RunEntered.GetRun()]; c != nil {
			close(c)
			delete(h.entered, b.RunEntered.GetRun())
		}
	case *taskv1.PluginFrame_RunResult:
		if c := h.runs[b.RunResult.GetRun()]; c != nil {
			c <- b.RunResult
			delete(h.runs, b.RunResult.GetRun())
		}
	case *taskv1.PluginFrame_MethodReply:
		if c := h.calls[b.MethodReply.GetId()]; c != nil {
			c <- b.MethodReply
			delete(h.calls, b.MethodReply.GetId())
		}
	case *taskv1.PluginFrame_Publish:
		h.state[b.Publish.GetKey()] = b.Publish.GetValue()
	case *taskv1.PluginFrame_Progress:
		h.progress = Progress{b.Progress.GetDone(), b.Progress.GetTotal(), b.Progress.GetNote()}
	case *taskv1.PluginFrame_Ready:
		if len(h.ready) == 0 {
			close(h.up)
		}
		h.ready = append(h.ready, b.Ready.GetNote())
	case *taskv1.PluginFrame_Beat:
		h.beats++
	}
}

// messages takes what the plugin says of messages; false ends the session.
func (h *Host) messages(f *taskv1.PluginFrame) bool {
	q := h.config.Queue
	if q == nil {
		return true
	}
	switch b := f.GetBody().(type) {
	case *taskv1.PluginFrame_Credit:
		q.credit(b.Credit.GetRun(), int(b.Credit.GetWindow()))
	case *taskv1.PluginFrame_MessagesEntered:
		q.enter(b.MessagesEntered.GetRun(), b.MessagesEntered.GetTags())
	case *taskv1.PluginFrame_MessagesHandled:
		for _, unit := range q.units(b.MessagesHandled) {
			if !h.settle(unit) {
				return false
			}
		}
	}
	return true
}

// settle applies one commit of a handler.
func (h *Host) settle(unit *taskv1.MessagesHandled) bool {
	if succeeded(unit) {
		if h.acks++; h.config.BeforeAck != nil && !h.config.BeforeAck(h.acks) {
			return false
		}
	}
	alive := true
	h.config.Queue.settle(unit, func(ops []*taskv1.Op) error {
		n, err := h.store.Commit(unit.GetRun(), ops)
		if err == nil && h.config.AfterCommit != nil {
			alive = h.config.AfterCommit(n)
		}
		return err
	})
	return alive
}

// answer replies to a request of the plugin; false ends the session.
func (h *Host) answer(f *taskv1.PluginFrame) bool {
	var r *taskv1.Reply
	switch b := f.GetBody().(type) {
	case *taskv1.PluginFrame_Commit:
		r = &taskv1.Reply{Id: b.Commit.GetId()}
		n, err := h.store.Commit(b.Commit.GetRun(), b.Commit.GetOps())
		if err != nil {
			r.Error = err.Error()
		} else if h.config.AfterCommit != nil && !h.config.AfterCommit(n) {
			return false
		}
	case *taskv1.PluginFrame_Load:
		v, ok := h.store.Load(b.Load.GetKey())
		r = &taskv1.Reply{Id: b.Load.GetId(), Value: v, Found: ok}
	case *taskv1.PluginFrame_Extend:
		granted := h.config.Extend == nil || h.config.Extend(b.Extend.GetRun(), time.Duration(b.Extend.GetBy()))
		r = &taskv1.Reply{Id: b.Extend.GetId(), Found: granted}
	default:
		return h.messages(f)
	}
	_ = h.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Reply{Reply: r}}) // a lost session ends the reader too
	return true
}

// Start hands the plugin a run. entered is closed when author code begins; the
// result arrives on ended, unless the session ends first.
func (h *Host) Start(q *taskv1.RunStart) (entered <-chan struct{}, ended <-chan *taskv1.RunResult, err error) {
	in, out := make(chan struct{}), make(chan *taskv1.RunResult, 1)
	h.mu.Lock()
	h.entered[q.GetRun()], h.runs[q.GetRun()] = in, out
	consumes := h.config.Queue != nil && q.GetConsume() != nil
	if consumes {
		h.consumes = q.GetRun()
	}
	h.mu.Unlock()
	if consumes {
		h.config.Queue.attach(q.GetRun(), func(messages []*taskv1.Delivery) { h.deliver(q.GetRun(), messages) })
	}
	if err := h.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_RunStart{RunStart: q}}); err != nil {
		return nil, nil, fmt.Errorf("start run: %w", err)
	}
	return in, out, nil
}

// deliverBytes bounds the values of one frame with messages.
const deliverBytes = 512 << 10

// deliver sends messages; a lost session gives them back.
func (h *Host) deliver(run string, messages []*taskv1.Delivery) {
	for len(messages) > 0 {
		n, size := 0, 0
		for n == 0 || n < len(messages) && size+len(messages[n].GetValue()) <= deliverBytes {
			size += len(messages[n].GetValue())
			n++
		}
		_ = h.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Deliver{Deliver: &taskv1.Deliver{Run: run, Messages: messages[:n]}}})
		messages = messages[n:]
	}
}

// CallError is what a method failed with.
type CallError struct{ Message, Stack string }

func (e *CallError) Error() string { return e.Message }

// Call asks the live object; a method that fails is a *CallError.
func (h *Host) Call(ctx context.Context, method string, input json.RawMessage) (json.RawMessage, error) {
	reply := make(chan *taskv1.MethodReply, 1)
	h.mu.Lock()
	h.nextCall++
	id := h.nextCall
	h.calls[id] = reply
	h.mu.Unlock()
	q := &taskv1.MethodCall{Id: id, Method: method, Input: input}
	if until, ok := ctx.Deadline(); ok {
		q.Timeout = int64(time.Until(until))
	}
	if err := h.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_MethodCall{MethodCall: q}}); err != nil {
		return nil, fmt.Errorf("call %q: %w", method, err)
	}
	select {
	case r := <-reply:
		if r.GetError() != "" {
			return nil, &CallError{r.GetError(), r.GetStack()}
		}
		return r.GetResult(), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-h.done:
		return nil, errors.New("the session has ended")
	}
}

// Stop begins to drain a run, or the instance with run "".
func (h *Host) Stop(ctx context.Context, run string, deadline time.Duration, reason string) error {
	_, err := h.client.Stop(ctx, &taskv1.StopRequest{Instance: h.config.Task, Run: run, Deadline: int64(deadline), Reason: reason})
	return err
}

// Cancel ends the context of a run.
func (h *Host) Cancel(ctx context.Context, run string, cause taskv1.Cause, deadline time.Duration) error {
	_, err := h.client.Cancel(ctx, &taskv1.CancelRequest{Instance: h.config.Task, Run: run, Cause: cause, Deadline: int64(deadline)})
	return err
}

// Cut ends the session from this side, as a host that dies does.
func (h *Host) Cut() { h.cancel() }

// Done is closed when the session has ended and everything that it carried is
// taken; Err is valid then and nil when the instance was closed in order.
func (h *Host) Done() <-chan struct{} { return h.done }

// Err says why the session ended.
func (h *Host) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// State is a copy of what the task has published.
func (h *Host) State() map[string]json.RawMessage {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.state)
}

// Up is closed when the task has said that it is ready.
func (h *Host) Up() <-chan struct{} { return h.up }

// Progress is what the task last said of its progress.
func (h *Host) Progress() Progress {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.progress
}

// Ready returns the notes with which the task said that it is ready.
func (h *Host) Ready() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.ready...)
}

// Beats is the number of signs of life.
func (h *Host) Beats() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.beats
}
