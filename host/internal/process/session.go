package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// A session acknowledges what it has received with every frame that it sends. When it
// has nothing to send it does so with a frame of its own after this much.
const (
	ackFrames = 64
	ackBytes  = 256 << 10
)

// session is the stream between the host and one process. One goroutine reads it; sends
// are serialised. It can be resumed on a new connection by its token and the sequence
// numbers, which nothing does yet.
type session struct {
	stream  taskv1.Task_SessionClient
	cancel  context.CancelFunc
	out     *channel
	reports task.Reports
	ended   chan struct{} // closed when the reader has returned

	sending sync.Mutex // over seq and stream.Send
	seq     uint64     // last sent

	mu       sync.Mutex
	received uint64 // last received
	acked    uint64 // last acknowledged
	unacked  int    // bytes received since
	calls    map[uint64]chan callResult
	nextCall uint64
	lost     error // why the stream has ended
}

type callResult struct {
	value json.RawMessage
	err   error
}

var _ task.Session = (*session)(nil)

// Open begins the session. See task.Process. A task has one session in its process.
func (seat *seat) Open(ctx context.Context, reports task.Reports) (task.Session, error) {
	ctx, cancel := bounded(ctx, controlTime)
	defer cancel()
	s, err := seat.open(ctx, reports)
	if err != nil {
		return nil, fmt.Errorf("open the session: %w", seat.p.ended(ctx, err))
	}
	return s, nil
}

func (seat *seat) open(ctx context.Context, reports task.Reports) (*session, error) {
	p := seat.p
	life, cancel := context.WithCancel(context.Background())
	giveUp := context.AfterFunc(ctx, cancel)
	defer giveUp()
	stream, err := p.rpc.Session(life)
	if err != nil {
		cancel()
		return nil, err
	}
	s := &session{
		stream: stream, cancel: cancel, out: seat.channel, reports: reports,
		ended: make(chan struct{}), calls: map[uint64]chan callResult{},
	}
	err = s.greet(seat.name())
	if err == nil && !giveUp() {
		err = ctx.Err()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hung || seat.session != nil {
		cancel()
		if p.hung {
			return nil, errors.New("the process has ended")
		}
		return nil, errors.New("the task has a session already")
	}
	seat.session = s
	go s.read()
	return s, nil
}

// greet says Hello and waits for the Welcome.
func (s *session) greet(instance string) error {
	hello := &taskv1.Hello{Instance: instance, Token: task.NewID(time.Now())}
	if err := s.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Hello{Hello: hello}}); err != nil {
		if _, cause := s.stream.Recv(); cause != nil { // says more than "EOF"
			err = cause
		}
		return err
	}
	frame, err := s.stream.Recv()
	if err != nil {
		return err
	}
	if frame.GetWelcome() == nil {
		return fmt.Errorf("the plugin begins its session with %T, not with a Welcome: rebuild it with the SDK of this host", frame.GetBody())
	}
	_, err = s.admit(frame)
	return err
}

// send numbers a frame and sends it. It can block while the plugin does not read, until
// the process ends.
func (s *session) send(frame *taskv1.HostFrame) error { return s.sendUpTo(wire.DefaultMaxFrame, frame) }

// sendUpTo is send for a frame of at most that many bytes.
func (s *session) sendUpTo(most int, frame *taskv1.HostFrame) error {
	if size := proto.Size(frame); size > most {
		return &FrameError{Size: size, Max: most}
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	lost := s.lost
	frame.Ack = s.received
	s.acked, s.unacked = s.received, 0
	s.mu.Unlock()
	if lost != nil {
		return lost
	}
	s.seq++
	frame.Seq = s.seq
	if err := s.stream.Send(frame); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.lost != nil {
			return s.lost
		}
		if errors.Is(err, io.EOF) { // the reader gets the cause
			return errors.New("the session has ended")
		}
		return plain(err)
	}
	return nil
}

// FrameError says that something is too large for one frame of a session.
type FrameError struct{ Size, Max int } // bytes

func (e *FrameError) Error() string {
	return fmt.Sprintf("too large for one frame: %d bytes, at most %d", e.Size, e.Max)
}

// startSlack is what one value takes of a start beside its key and its text, in bytes, and what the frame's number takes.
const startSlack = 16

// StartRun hands an attempt to the process. What the run has saved came in many frames and goes back in one, which may be
// as much larger.
func (s *session) StartRun(r task.RunStart) error {
	values := make(map[string][]byte, len(r.Values))
	most := wire.DefaultMaxFrame
	for k, v := range r.Values {
		values[k] = v
		most += len(k) + len(v) + startSlack
	}
	err := s.sendUpTo(min(most, wire.MaxMessage-startSlack), &taskv1.HostFrame{Body: &taskv1.HostFrame_RunStart{RunStart: &taskv1.RunStart{
		Run: r.Run, Attempt: uint32(r.Attempt), Trigger: string(r.Trigger),
		Slot: nanos(r.Slot), PreviousSlot: nanos(r.PreviousSlot), LastSuccess: nanos(r.LastSuccess), Deadline: nanos(r.Deadline),
		Input: r.Input, Values: values, Actor: r.Actor, Traceparent: r.TraceParent, Consume: wireConsume(r),
	}}})
	if err != nil {
		return fmt.Errorf("start run %s: %w", r.Run, err)
	}
	return nil
}

// Call sends a method call and waits for its reply.
func (s *session) Call(ctx context.Context, method string, input json.RawMessage) (json.RawMessage, error) {
	reply := make(chan callResult, 1)
	s.mu.Lock()
	s.nextCall++
	id := s.nextCall
	s.calls[id] = reply
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.calls, id)
	}()
	call := &taskv1.MethodCall{Id: id, Method: method, Input: input, Traceparent: task.TraceParent(ctx)}
	if deadline, ok := ctx.Deadline(); ok {
		call.Timeout = int64(max(time.Until(deadline), 1))
	}
	if err := s.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_MethodCall{MethodCall: call}}); err != nil {
		return nil, fmt.Errorf("call method %q: %w", method, err)
	}
	select {
	case r := <-reply:
		if r.err != nil {
			return nil, fmt.Errorf("method %q: %w", method, r.err)
		}
		return r.value, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("method %q: %w", method, ctx.Err())
	case <-s.ended:
		s.mu.Lock()
		defer s.mu.Unlock()
		return nil, fmt.Errorf("method %q: %w", method, s.lost)
	}
}

// Deliver hands messages to a run.
func (s *session) Deliver(run string, ds []task.Delivery) error {
	frame := &taskv1.Deliver{Run: run, Messages: make([]*taskv1.Delivery, len(ds))}
	for i, d := range ds {
		frame.Messages[i] = &taskv1.Delivery{
			Tag: d.Tag, Queue: d.Message.Queue, Id: d.Message.ID, Key: d.Message.Key, Attempt: uint32(d.Attempt),
			Posted: nanos(d.Message.Posted), Value: d.Message.Body, Traceparent: d.Message.TraceParent, Alone: d.Alone,
		}
	}
	if err := s.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Deliver{Deliver: frame}}); err != nil {
		return fmt.Errorf("deliver messages to run %s: %w", run, err)
	}
	return nil
}

// Reply answers a request of the plugin.
func (s *session) Reply(a task.Answer) error {
	return s.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Reply{Reply: &taskv1.Reply{
		Id: a.ID, Error: a.Err, Value: a.Value, Found: a.OK,
	}}})
}

// read owns the receiving side: it takes frames in order and reports them, until the
// stream ends.
func (s *session) read() {
	defer close(s.ended)
	err := s.receive()
	s.mu.Lock()
	s.lost = err
	s.mu.Unlock()
	s.cancel()
	s.reports.Lost(err)
}

func (s *session) receive() error {
	for {
		frame, err := s.stream.Recv()
		if errors.Is(err, io.EOF) {
			return task.ErrSessionEnded
		}
		if err != nil {
			return plain(err)
		}
		fresh, err := s.admit(frame)
		if err != nil {
			return err
		}
		if fresh {
			s.dispatch(frame)
		}
		if s.mustAck() {
			if err := s.send(&taskv1.HostFrame{}); err != nil {
				return err
			}
		}
	}
}

// admit checks the number of a frame. A frame that was seen before is not fresh; one
// that leaves a gap ends the session, because something is lost.
func (s *session) admit(frame *taskv1.PluginFrame) (fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if frame.Seq <= s.received {
		return false, nil
	}
	if frame.Seq != s.received+1 {
		return false, fmt.Errorf("the plugin sends frame %d after %d", frame.Seq, s.received)
	}
	s.received = frame.Seq
	s.unacked += proto.Size(frame)
	return true, nil
}

func (s *session) mustAck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.received-s.acked >= ackFrames || s.unacked >= ackBytes
}

// settle gives a method call its reply. One that nobody waits for any more is dropped.
func (s *session) settle(id uint64, r callResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reply := s.calls[id]; reply != nil {
		reply <- r // has room for the one reply
		delete(s.calls, id)
	}
}
