package process

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// controlTime bounds a control request whose caller sets no deadline.
const controlTime = 5 * time.Second

// Configure gives the process a task. See task.Process. Without a deadline it waits as
// long as a launch may take.
func (s *seat) Configure(ctx context.Context, c task.Configure) error {
	p := s.p
	p.mu.Lock()
	s.instance = c.Task
	p.mu.Unlock()
	ctx, cancel := bounded(ctx, p.spec.Timeout)
	defer cancel()
	answer, err := p.rpc.Configure(ctx, &taskv1.ConfigureRequest{
		Instance: c.Task, Task: c.Task, Type: c.Type, SchemaHash: c.SchemaHash, Config: c.Config,
		LogLevel: c.LogLevel, MaxFrame: wire.DefaultMaxFrame, Mode: string(c.Mode), Pause: int64(c.Pause), Watchdog: int64(c.Watchdog), Dir: c.Dir, Shared: c.Shared,
	})
	if err != nil {
		return fmt.Errorf("configure task %q: %w", c.Task, p.ended(ctx, err))
	}
	if len(answer.Problems) > 0 {
		rejected := &task.ConfigError{}
		for _, pr := range answer.Problems {
			if !pr.Warning {
				rejected.Problems = append(rejected.Problems, task.ConfigProblem{Path: pathText(pr.Path), Summary: pr.Summary, Detail: pr.Detail})
				continue
			}
			s.channel.host("warn", strings.TrimPrefix(pathText(pr.Path)+": "+pr.Summary, ": "))
		}
		if len(rejected.Problems) > 0 {
			return rejected
		}
	}
	if answer.Error != "" {
		return fmt.Errorf("open task %q: %s", c.Task, answer.Error)
	}
	return nil
}

// Drain closes Stopping for a run; run "" drains and closes the whole instance.
func (s *seat) Drain(ctx context.Context, run string, deadline time.Duration, reason string) error {
	ctx, cancel := bounded(ctx, controlTime)
	defer cancel()
	_, err := s.p.rpc.Stop(ctx, &taskv1.StopRequest{Instance: s.name(), Run: run, Deadline: int64(deadline), Reason: reason})
	return s.p.answered(ctx, "drain", err)
}

// Cancel ends the context of a run.
func (s *seat) Cancel(ctx context.Context, run string, cause task.CancelCause, deadline time.Duration) error {
	ctx, cancel := bounded(ctx, controlTime)
	defer cancel()
	_, err := s.p.rpc.Cancel(ctx, &taskv1.CancelRequest{Instance: s.name(), Run: run, Cause: wireCause(cause), Deadline: int64(deadline)})
	return s.p.answered(ctx, "cancel", err)
}

// Ping asks the process whether it is well.
func (s *seat) Ping(ctx context.Context) error {
	ctx, cancel := bounded(ctx, controlTime)
	defer cancel()
	_, err := s.p.rpc.Ping(ctx, &taskv1.PingRequest{})
	return s.p.answered(ctx, "ping", err)
}

func (p *Process) answered(ctx context.Context, step string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", step, p.ended(ctx, err))
}

func bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, limit)
}

// plain says what a gRPC error means to somebody who does not know gRPC, and keeps the
// context's own errors recognisable.
func plain(err error) error {
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	switch st.Code() {
	case codes.DeadlineExceeded:
		return fmt.Errorf("the plugin does not answer: %w", context.DeadlineExceeded)
	case codes.Canceled:
		return fmt.Errorf("the request was given up: %w", context.Canceled)
	case codes.Unavailable:
		return errors.New("the connection to the plugin is lost")
	case codes.NotFound:
		return notServed(st.Message())
	case codes.Unimplemented:
		return fmt.Errorf("the plugin does not know this request (%s): rebuild it with the SDK of this host", st.Message())
	case codes.ResourceExhausted:
		return fmt.Errorf("a message between host and plugin is too large: %s", st.Message())
	}
	return errors.New(st.Message())
}

// notServed is the plugin's own word that it has no such task or type.
type notServed string

func (e notServed) Error() string { return string(e) }

func (e notServed) Is(target error) bool { return target == task.ErrNotServed }

// pathText writes a path into a config as a person does: "headers[2].name".
func pathText(path []*taskv1.PathStep) string {
	var b strings.Builder
	for _, step := range path {
		switch s := step.Step.(type) {
		case *taskv1.PathStep_Attribute:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(s.Attribute)
		case *taskv1.PathStep_Key:
			b.WriteString("[" + strconv.Quote(s.Key) + "]")
		case *taskv1.PathStep_Index:
			b.WriteString("[" + strconv.FormatInt(s.Index, 10) + "]")
		}
	}
	return b.String()
}
