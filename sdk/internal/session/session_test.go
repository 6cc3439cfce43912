package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/internal/solo"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// rig is a server with one type, and a raw client.
type rig struct {
	t      *testing.T
	server *session.Server
	client taskv1.TaskClient
	object any // what open returns
}

type runFunc func(ctx context.Context, h *session.Handle) ([]byte, error)

func newRig(t *testing.T, run runFunc) *rig {
	t.Helper()
	return newRigOf(t, session.Type{
		Description: wire.Type{Modes: []string{"periodic"}},
		Run: func(ctx context.Context, h *session.Handle, _ any, _ []byte) ([]byte, error) {
			return run(ctx, h)
		},
	})
}

// newRigOf completes a type and serves it.
func newRigOf(t *testing.T, typ session.Type) *rig {
	t.Helper()
	r := &rig{t: t}
	typ.Description.Name, typ.Description.Schema = "t", "hash"
	typ.Decode = func([]byte) (any, []schema.Problem, error) { return nil, nil, nil }
	typ.Open = func(context.Context, *session.Handle, any) (any, error) { return r.object, nil }
	typ.Methods = map[string]session.MethodFunc{
		"echo": func(_ context.Context, _ any, in []byte) ([]byte, error) { return in, nil },
	}
	server, err := session.New(wire.Description{Plugin: "p", Types: []wire.Type{typ.Description}}, []session.Type{typ}, session.Log{Output: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	memory, err := solo.Serve(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Abandon()
		<-server.Done()
		memory.Close()
	})
	r.server, r.client = server, taskv1.NewTaskClient(memory.Conn)
	return r
}

func (r *rig) configure(instance string) {
	r.t.Helper()
	answer, err := r.client.Configure(r.t.Context(), &taskv1.ConfigureRequest{Instance: instance, Type: "t", SchemaHash: "hash"})
	if err != nil || answer.GetError() != "" || len(answer.GetProblems()) > 0 {
		r.t.Fatalf("configure: %v %v", answer, err)
	}
}

// line is one connection of a session.
type line struct {
	t      *testing.T
	stream taskv1.Task_SessionClient
	cut    context.CancelFunc
	sent   uint64
}

// connect begins or resumes a session; the Welcome is returned.
func (r *rig) connect(instance, token string, from, sent uint64) (*line, *taskv1.Welcome, error) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r.t.Cleanup(cancel)
	stream, err := r.client.Session(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	l := &line{r.t, stream, cancel, sent}
	hello := &taskv1.Hello{Instance: instance, Token: token, ResumeFrom: from}
	if err := stream.Send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Hello{Hello: hello}}); err != nil {
		r.t.Fatal(err)
	}
	first, err := stream.Recv()
	return l, first.GetWelcome(), err
}

func (l *line) send(f *taskv1.HostFrame) {
	l.t.Helper()
	l.sent++
	f.Seq = l.sent
	if err := l.stream.Send(f); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) start(run string) {
	l.t.Helper()
	l.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_RunStart{RunStart: &taskv1.RunStart{Run: run, Attempt: 1}}})
}

// next describes the next frame in a few words.
func (l *line) next() string {
	l.t.Helper()
	f, err := l.stream.Recv()
	if err == io.EOF {
		return "end: OK"
	}
	if err != nil {
		return "end: " + status.Code(err).String()
	}
	return describe(f)
}

func describe(f *taskv1.PluginFrame) string {
	text := "?"
	switch b := f.GetBody().(type) {
	case *taskv1.PluginFrame_RunEntered:
		text = "entered " + b.RunEntered.GetRun()
	case *taskv1.PluginFrame_RunResult:
		text = fmt.Sprintf("result %s %s %s", b.RunResult.GetRun(), b.RunResult.GetStatus(), b.RunResult.GetMessage())
		if b.RunResult.GetCause() != 0 {
			text += b.RunResult.GetCause().String()
		}
	case *taskv1.PluginFrame_Publish:
		text = "publish " + string(b.Publish.GetValue())
	case *taskv1.PluginFrame_Commit:
		text = fmt.Sprint("commit ", b.Commit.GetId())
	case *taskv1.PluginFrame_MethodReply:
		text = fmt.Sprintf("reply %d %s%s", b.MethodReply.GetId(), b.MethodReply.GetResult(), b.MethodReply.GetError())
	}
	return fmt.Sprintf("%d/%d %s", f.GetSeq(), f.GetAck(), strings.TrimSpace(text))
}

func (l *line) want(frames ...string) {
	l.t.Helper()
	for _, want := range frames {
		if got := l.next(); got != want {
			l.t.Errorf("frame %q, want %q", got, want)
		}
	}
}

func done(context.Context, *session.Handle) ([]byte, error) { return nil, nil }

func untilEnd(ctx context.Context, _ *session.Handle) ([]byte, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func untilStop(ctx context.Context, h *session.Handle) ([]byte, error) {
	return nil, h.Wait(ctx, time.Hour)
}

func TestFramesAreNumberedAndAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, done)
		r.configure("a")
		l, _, _ := r.connect("a", "token", 0, 0)
		l.start("r1")
		l.want("1/1 entered r1", "2/1 result r1 RUN_STATUS_SUCCEEDED")
		l.start("r2")
		l.want("3/2 entered r2", "4/2 result r2 RUN_STATUS_SUCCEEDED")
		l.send(&taskv1.HostFrame{Body: &taskv1.HostFrame_MethodCall{MethodCall: &taskv1.MethodCall{Id: 7, Method: "echo", Input: []byte("1")}}})
		l.want("5/3 reply 7 1")
		l.sent = 2 // sent again, as after a resumption: seen already
		l.start("r3")
		l.start("r4")
		l.want("6/4 entered r4")
	})
}

func TestOneRunAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, untilStop)
		r.configure("a")
		l, _, _ := r.connect("a", "token", 0, 0)
		l.start("r1")
		l.want("1/1 entered r1")
		l.start("r2")
		l.want("2/2 result r2 RUN_STATUS_FAILED run r1 is still going in this process")
		if _, err := r.client.Stop(t.Context(), &taskv1.StopRequest{Instance: "a"}); err != nil {
			t.Fatal(err)
		}
		l.want("3/2 result r1 RUN_STATUS_INTERRUPTED", "end: OK")
	})
}

func TestRunsAreRefusedWhileTheInstanceDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		r := newRig(t, func(context.Context, *session.Handle) ([]byte, error) { <-release; return nil, nil })
		r.configure("a")
		l, _, _ := r.connect("a", "token", 0, 0)
		l.start("r1")
		l.want("1/1 entered r1")
		if _, err := r.client.Stop(t.Context(), &taskv1.StopRequest{Instance: "a"}); err != nil {
			t.Fatal(err)
		}
		l.start("r2")
		l.want("2/2 result r2 RUN_STATUS_INTERRUPTED the task is stopping")
		close(release)
		l.want("3/2 result r1 RUN_STATUS_SUCCEEDED")
		if _, err := l.stream.Recv(); err != io.EOF {
			t.Errorf("the session of a closed instance ends with %v", err)
		}
		<-r.server.Done()
		_, err := r.client.Stop(t.Context(), &taskv1.StopRequest{Instance: "a"})
		if status.Code(err) != codes.NotFound {
			t.Errorf("stop of a closed instance: %v", err)
		}
	})
}

func TestControlMayOvertakeTheStartOfItsRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		run  runFunc
		act  func(*rig) error
		want string
	}{
		{"stop", untilStop, func(r *rig) error {
			_, err := r.client.Stop(r.t.Context(), &taskv1.StopRequest{Instance: "a", Run: "r1"})
			return err
		}, "2/1 result r1 RUN_STATUS_INTERRUPTED"},
		{"cancel", untilEnd, func(r *rig) error {
			_, err := r.client.Cancel(r.t.Context(), &taskv1.CancelRequest{Instance: "a", Run: "r1", Cause: taskv1.Cause_CAUSE_TIMEOUT})
			return err
		}, "2/1 result r1 RUN_STATUS_FAILED the run's timeout is overCAUSE_TIMEOUT"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c.run)
				r.configure("a")
				l, _, _ := r.connect("a", "token", 0, 0)
				for i := range 40 { // commands for runs that never come are forgotten in time
					_, _ = r.client.Cancel(t.Context(), &taskv1.CancelRequest{Instance: "a", Run: fmt.Sprint("old", i)})
				}
				if err := c.act(r); err != nil {
					t.Fatal(err)
				}
				l.start("r1")
				l.want("1/1 entered r1", c.want)
			})
		})
	}
}

func TestControlThatComesAfterItsRunHasReturnedDoesNotReachTheNextAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		first := true
		r := newRig(t, func(ctx context.Context, h *session.Handle) ([]byte, error) {
			if first {
				first = false
				return nil, errors.New("out of time")
			}
			return nil, h.Wait(ctx, time.Second)
		})
		r.configure("a")
		l, _, _ := r.connect("a", "token", 0, 0)
		l.start("r1")
		l.want("1/1 entered r1", "2/1 result r1 RUN_STATUS_FAILED out of time")
		// The host's timeout was over at the same moment, and its requests crossed the result.
		if _, err := r.client.Cancel(t.Context(), &taskv1.CancelRequest{Instance: "a", Run: "r1", Cause: taskv1.Cause_CAUSE_TIMEOUT}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.client.Stop(t.Context(), &taskv1.StopRequest{Instance: "a", Run: "r1"}); err != nil {
			t.Fatal(err)
		}
		l.start("r1") // the next attempt
		l.want("3/2 entered r1", "4/2 result r1 RUN_STATUS_SUCCEEDED")
	})
}

func TestASessionIsResumedOnANewConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		step := make(chan int)
		r := newRig(t, func(ctx context.Context, h *session.Handle) ([]byte, error) {
			for n := range step {
				if n < 0 {
					op := &taskv1.Op{Op: &taskv1.Op_Save{Save: &taskv1.Save{Key: "k", Value: []byte("1")}}}
					if err := h.Commit(ctx, []*taskv1.Op{op}); err != nil {
						return nil, err
					}
					continue
				}
				if err := h.Publish("n", fmt.Append(nil, n)); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		r.configure("a")
		l, _, _ := r.connect("a", "token", 0, 0)
		l.start("r1")
		step <- 1
		l.want("1/1 entered r1", "2/1 publish 1")
		step <- 2
		time.Sleep(time.Second) // sent, but the host dies before it takes it
		l.cut()
		synctest.Wait()
		step <- 3 // while nobody is there; the latest counts
		step <- 4
		time.Sleep(time.Second)
		step <- -1
		synctest.Wait()
		l2, welcome, err := r.connect("a", "token", 2, l.sent)
		if err != nil || welcome.GetResumeFrom() != 1 {
			t.Fatalf("resume: %v %v", welcome, err)
		}
		l2.want("3/1 publish 2", "4/1 publish 4", "5/1 commit 1")
		// The answer arrives over the new connection, and a third takes over from it.
		l2.send(&taskv1.HostFrame{Ack: 5, Body: &taskv1.HostFrame_Reply{Reply: &taskv1.Reply{Id: 1}}})
		synctest.Wait()
		l3, welcome, err := r.connect("a", "token", 5, l2.sent)
		if err != nil || welcome.GetResumeFrom() != 2 {
			t.Fatalf("resume: %v %v", welcome, err)
		}
		if got := l2.next(); got != "end: Aborted" {
			t.Errorf("the connection that was replaced: %s", got)
		}
		close(step)
		l3.want("6/2 result r1 RUN_STATUS_SUCCEEDED")
	})
}

func TestWhatCannotBeResumedIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		more := make(chan int)
		r := newRig(t, func(_ context.Context, h *session.Handle) ([]byte, error) {
			for n := range more {
				if err := h.Publish("n", fmt.Append(nil, n)); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		defer close(more)
		r.configure("a")
		refused := func(instance, token string, from uint64, want codes.Code) {
			t.Helper()
			if _, _, err := r.connect(instance, token, from, 0); status.Code(err) != want {
				t.Errorf("connect(%s, %s, %d): %v, want %s", instance, token, from, err, want)
			}
		}
		refused("b", "token", 0, codes.NotFound)
		refused("a", "token", 3, codes.FailedPrecondition) // there was no session
		l, _, _ := r.connect("a", "token", 0, 0)
		refused("a", "other", 0, codes.AlreadyExists)
		l.start("r1")
		l.want("1/1 entered r1")
		for n := range 300 { // more than is kept
			more <- n
			l.want(fmt.Sprintf("%d/1 publish %d", n+2, n))
		}
		l.cut()
		synctest.Wait()
		refused("a", "other", 0, codes.FailedPrecondition) // the run belongs to the session
		refused("a", "token", 2, codes.FailedPrecondition) // those frames are gone
		refused("a", "token", 999, codes.FailedPrecondition)
		if _, _, err := r.connect("a", "token", 301, 1); err != nil {
			t.Errorf("resume: %v", err)
		}
	})
}

func TestSeveralInstancesShareAProcess(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, untilStop)
		lines := make(map[string]*line)
		for _, name := range []string{"a", "b"} {
			r.configure(name)
			lines[name], _, _ = r.connect(name, "token", 0, 0)
			lines[name].start("r-" + name)
			lines[name].want("1/1 entered r-" + name)
		}
		if _, err := r.client.Configure(t.Context(), &taskv1.ConfigureRequest{Instance: "a", Type: "t"}); status.Code(err) != codes.AlreadyExists {
			t.Errorf("configure twice: %v", err)
		}
		_, _ = r.client.Stop(t.Context(), &taskv1.StopRequest{Instance: "a"})
		lines["a"].want("2/1 result r-a RUN_STATUS_INTERRUPTED", "end: OK")
		select {
		case <-r.server.Done():
			t.Error("the process ends although b is served")
		default:
		}
		r.server.Drain(0, "SIGTERM")
		lines["b"].want("2/1 result r-b RUN_STATUS_INTERRUPTED", "end: OK")
		<-r.server.Done()
		if _, err := r.client.Configure(t.Context(), &taskv1.ConfigureRequest{Instance: "c", Type: "t"}); status.Code(err) != codes.Unavailable {
			t.Errorf("configure a process that ends: %v", err)
		}
	})
}

// lineWriter keeps what is logged.
type lineWriter struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// newOpenRig serves a type whose open is given, and logs to out.
func newOpenRig(t *testing.T, out io.Writer, open func(ctx context.Context, h *session.Handle) error) *rig {
	t.Helper()
	typ := session.Type{
		Description: wire.Type{Name: "t", Schema: "hash", Modes: []string{"periodic"}},
		Decode:      func([]byte) (any, []schema.Problem, error) { return nil, nil, nil },
		Open:        func(ctx context.Context, h *session.Handle, _ any) (any, error) { return nil, open(ctx, h) },
	}
	server, err := session.New(wire.Description{Plugin: "p", Types: []wire.Type{typ.Description}}, []session.Type{typ}, session.Log{Output: out})
	if err != nil {
		t.Fatal(err)
	}
	memory, err := solo.Serve(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Abandon()
		<-server.Done()
		memory.Close()
	})
	return &rig{t: t, server: server, client: taskv1.NewTaskClient(memory.Conn)}
}

func TestOnlyInASharedProcessDoesTheLogNameItsTask(t *testing.T) {
	t.Parallel()
	for _, shared := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var out lineWriter
			label := ""
			r := newOpenRig(t, &out, func(_ context.Context, h *session.Handle) error {
				h.Log().Info("opened")
				labels := make(chan string, 1)
				go func() {
					var trace bytes.Buffer
					_ = pprof.Lookup("goroutine").WriteTo(&trace, 1)
					labels <- trace.String()
				}()
				label = <-labels
				return nil
			})
			if _, err := r.client.Configure(t.Context(), &taskv1.ConfigureRequest{Instance: "block.a", Type: "t", SchemaHash: "hash", Shared: shared}); err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(out.text.String(), `"@task":"block.a"`); got != shared {
				t.Errorf("shared %t: it logs %s", shared, out.text.String())
			}
			if got := strings.Contains(label, `"taskhost.task":"block.a"`); got != shared {
				t.Errorf("shared %t: labels of the goroutine that author code started:\n%s", shared, label)
			}
		})
	}
}

func TestStopOfAnInstanceThatIsBeingOpenedWaitsUntilItIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out lineWriter
		r := newOpenRig(t, &out, func(ctx context.Context, _ *session.Handle) error {
			<-ctx.Done()
			<-time.After(time.Second) // it takes its time
			return ctx.Err()
		})
		ctx, giveUp := context.WithCancel(t.Context())
		go func() {
			_, _ = r.client.Configure(ctx, &taskv1.ConfigureRequest{Instance: "a", Type: "t", SchemaHash: "hash"})
		}()
		synctest.Wait()
		giveUp()
		began := time.Now()
		if _, err := r.client.Stop(t.Context(), &taskv1.StopRequest{Instance: "a"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("stop answered after %v", took)
		}
		if _, err := r.client.Stop(t.Context(), &taskv1.StopRequest{Instance: "a"}); status.Code(err) != codes.NotFound {
			t.Errorf("it is still there: %v", err)
		}
	})
}

func TestCallsThatAreWrongAreNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, done)
		for _, c := range []struct {
			q    *taskv1.ConfigureRequest
			code codes.Code
		}{
			{&taskv1.ConfigureRequest{Instance: "a", Type: "none"}, codes.NotFound},
			{&taskv1.ConfigureRequest{Instance: "a", Type: "t", SchemaHash: "other"}, codes.FailedPrecondition},
		} {
			if _, err := r.client.Configure(t.Context(), c.q); status.Code(err) != c.code {
				t.Errorf("configure %v: %v", c.q, err)
			}
		}
		stream, err := r.client.Session(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.Send(&taskv1.HostFrame{})
		if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("a session without hello: %v", err)
		}
		if _, err := r.client.Ping(t.Context(), &taskv1.PingRequest{}); err != nil {
			t.Error(err)
		}
		d, err := r.client.Describe(t.Context(), &taskv1.DescribeRequest{})
		if err != nil || !strings.Contains(string(d.GetDescription()), `"plugin": "p"`) {
			t.Errorf("describe: %v %v", d, err)
		}
		v, err := r.client.Validate(t.Context(), &taskv1.ValidateRequest{Type: "t"})
		if err != nil || len(v.GetProblems()) > 0 {
			t.Errorf("validate: %v %v", v, err)
		}
	})
}

func TestAFloodOfReportsDoesNotGrowWithoutBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := 0
		r := newRig(t, func(_ context.Context, h *session.Handle) ([]byte, error) {
			for n := range 10_000 {
				h.Progress(int64(n), 0, "")
				h.Beat("")
				if h.Publish(fmt.Sprint("k", n), []byte("1")) != nil {
					refused++
				}
			}
			return nil, nil
		})
		r.configure("a")
		l, _, _ := r.connect("a", "token", 0, 0)
		l.cut() // nobody takes anything
		synctest.Wait()
		l, _, err := r.connect("a", "token", 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		l.start("r1")
		synctest.Wait() // the host does not read
		if refused == 0 {
			t.Error("nothing was refused")
		}
	})
}

func TestALineOfMarkupIsLoggedAsItIs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	server, err := session.New(wire.Description{Plugin: "p"}, nil, session.Log{Output: &out})
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("<a>&", 2<<10)
	server.Log().Info(line)
	if !strings.Contains(out.String(), line) { // escaped it has 32 KiB, and the host keeps 16
		t.Errorf("a line of %d bytes is a record of %d: %.100s", len(line), out.Len(), out.String())
	}
}

func TestStopOfAnIdleInstanceWaitsUntilItIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &closer{}
		r := newRig(t, done)
		r.object = slow
		r.configure("a")
		began := time.Now()
		if _, err := r.client.Stop(t.Context(), &taskv1.StopRequest{Instance: "a"}); err != nil {
			t.Fatal(err)
		}
		if !slow.closed || time.Since(began) != time.Second {
			t.Errorf("closed: %t after %s", slow.closed, time.Since(began))
		}
		<-r.server.Done()
	})
}

// closer takes a second to close.
type closer struct{ closed bool }

func (c *closer) Close() error {
	time.Sleep(time.Second)
	c.closed = true
	return nil
}
