package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// dispatch turns a frame of the plugin into a report. A frame over the limit, and a
// value that is no JSON, is refused with an error to whoever waits for it; the session
// goes on.
func (s *session) dispatch(frame *taskv1.PluginFrame) {
	var refused error
	if size := proto.Size(frame); size > wire.DefaultMaxFrame {
		refused = &FrameError{Size: size, Max: wire.DefaultMaxFrame}
	}
	switch b := frame.Body.(type) {
	case *taskv1.PluginFrame_RunEntered:
		s.reports.RunEntered(b.RunEntered.Run, said(b.RunEntered.At))
	case *taskv1.PluginFrame_RunResult:
		s.reports.RunEnded(runResult(b.RunResult, refused))
	case *taskv1.PluginFrame_Progress:
		m := b.Progress
		s.reports.Progress(m.Run, task.Progress{Done: m.Done, Total: m.Total, Note: m.Note, At: time.Now()})
	case *taskv1.PluginFrame_Publish:
		value, err := jsonValue(b.Publish.Value, refused)
		if err != nil {
			s.out.host("warn", fmt.Sprintf("state %q is not published: %s", b.Publish.Key, err))
			return
		}
		s.reports.Published(b.Publish.Key, value)
	case *taskv1.PluginFrame_Ready:
		s.reports.Ready(b.Ready.Note)
	case *taskv1.PluginFrame_Beat:
		s.reports.Beat(b.Beat.Note)
	case *taskv1.PluginFrame_Commit:
		ops, err := operations(b.Commit.Ops, refused)
		if err != nil {
			s.refuse(b.Commit.Id, err)
			return
		}
		s.reports.Commit(b.Commit.Id, b.Commit.Run, ops)
	case *taskv1.PluginFrame_Load:
		s.reports.Load(b.Load.Id, b.Load.Key)
	case *taskv1.PluginFrame_Extend:
		s.reports.Extend(b.Extend.Id, b.Extend.Run, time.Duration(b.Extend.By))
	case *taskv1.PluginFrame_MethodReply:
		s.settle(b.MethodReply.Id, methodResult(b.MethodReply, refused))
	case *taskv1.PluginFrame_Credit:
		s.reports.Credit(b.Credit.Run, int(b.Credit.Window))
	case *taskv1.PluginFrame_MessagesEntered:
		s.reports.MessagesEntered(b.MessagesEntered.Run, b.MessagesEntered.Tags)
	case *taskv1.PluginFrame_MessagesHandled:
		s.reports.MessagesHandled(b.MessagesHandled.Run, handled(b.MessagesHandled, refused))
	case *taskv1.PluginFrame_MessageExtend:
		m := b.MessageExtend
		s.reports.MessageExtended(m.Run, m.Tag, time.Duration(m.By))
	}
	// A frame without a body only acknowledges; one with a body that this host does not
	// know comes from a newer plugin, which must live without an answer.
}

func (s *session) refuse(id uint64, err error) {
	// When the stream has ended the plugin learns it that way.
	_ = s.Reply(task.Answer{ID: id, Err: err.Error()})
}

// said is when the plugin says that something was: it shares the host's clock. What it does not say, or
// says of the future, is now.
func said(nanos int64) time.Time {
	now := time.Now()
	if at := time.Unix(0, nanos); nanos > 0 && at.Before(now) {
		return at
	}
	return now
}

func runResult(m *taskv1.RunResult, refused error) task.RunResult {
	r := task.RunResult{
		Run: m.Run, At: said(m.At), Status: runStatus(m.Status), Message: m.Message, Stack: m.Stack,
		RetryAfter: time.Duration(m.RetryAfter), ObservedStop: m.ObservedStop,
	}
	value, err := jsonValue(m.Result, refused)
	if len(m.Result) == 0 && refused == nil {
		value, err = nil, nil
	}
	if err != nil {
		r.Status = task.StatusFailed
		r.Message = "the result cannot be kept: " + err.Error()
		r.Stack = ""
		return r
	}
	r.Result = value
	return r
}

func methodResult(m *taskv1.MethodReply, refused error) callResult {
	switch {
	case m.TimedOut:
		return callResult{err: context.DeadlineExceeded}
	case m.Error != "" && refused == nil:
		return callResult{err: &MethodError{Message: m.Error, Stack: m.Stack}}
	case len(m.Result) == 0 && refused == nil:
		return callResult{}
	}
	value, err := jsonValue(m.Result, refused)
	return callResult{value: value, err: err}
}

// MethodError is the error that author code of a method has returned.
type MethodError struct{ Message, Stack string }

func (e *MethodError) Error() string { return e.Message }

func operations(in []*taskv1.Op, refused error) ([]task.Op, error) {
	ops := make([]task.Op, 0, len(in))
	for _, op := range in {
		var out task.Op
		var raw []byte
		switch o := op.Op.(type) {
		case *taskv1.Op_Save:
			out, raw = task.Op{Kind: task.OpSave, Key: o.Save.GetKey()}, o.Save.GetValue()
		case *taskv1.Op_SaveRun:
			out, raw = task.Op{Kind: task.OpSaveRun, Key: o.SaveRun.GetKey()}, o.SaveRun.GetValue()
		case *taskv1.Op_Delete:
			ops = append(ops, task.Op{Kind: task.OpDelete, Key: o.Delete})
			continue
		case *taskv1.Op_Emit:
			e := o.Emit
			out, raw = task.Op{Kind: task.OpEmit, Key: e.GetKey(), Output: e.GetOutput(), ID: e.GetId(), TraceParent: traceOf(e)}, e.GetValue()
		default:
			return nil, errors.New("this host does not know an operation of the commit: upgrade it, or rebuild the plugin with its SDK")
		}
		value, err := jsonValue(raw, refused)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", out.Kind, out.Key+out.Output, err)
		}
		out.Value = value
		ops = append(ops, out)
	}
	return ops, refused
}

// traceOf is the trace context that a plugin gives to a message; one that is none is left out.
func traceOf(e *taskv1.Emit) string {
	if text := e.GetTraceparent(); task.ValidTraceParent(text) {
		return text
	}
	return ""
}

// jsonValue lets only JSON into the host: what is no JSON would break whoever writes it out.
func jsonValue(raw []byte, refused error) (json.RawMessage, error) {
	if refused != nil {
		return nil, refused
	}
	if !json.Valid(raw) {
		return nil, errors.New("the value is no JSON")
	}
	return raw, nil
}

// handled is what became of messages. With operations that cannot be kept those that succeeded have failed.
func handled(m *taskv1.MessagesHandled, refused error) task.Handled {
	h := task.Handled{Messages: make([]task.HandledMessage, len(m.Messages))}
	ops, err := operations(m.Ops, refused)
	h.Ops = ops
	for i, one := range m.Messages {
		out := task.HandledMessage{
			Tag: one.Tag, Status: runStatus(one.Status), Message: one.Message, Stack: one.Stack, RetryAfter: time.Duration(one.RetryAfter),
		}
		if err != nil && (out.Status == task.StatusSucceeded || out.Status == task.StatusSkipped) {
			out.Status, out.Message = task.StatusPermanent, "what the handler commits cannot be kept: "+err.Error()
		}
		h.Messages[i] = out
	}
	return h
}

// wireConsume is how the run of a consumer handles messages; nil for other runs.
func wireConsume(r task.RunStart) *taskv1.Consume {
	if r.Consume == nil {
		return nil
	}
	return &taskv1.Consume{
		Concurrency: uint32(r.Consume.Concurrency),
		BatchSize:   uint32(r.Consume.Batch.Size),
		BatchWait:   int64(r.Consume.Batch.Wait),
		Timeout:     int64(r.Timeout),
	}
}

func runStatus(s taskv1.RunStatus) task.RunStatus {
	switch s {
	case taskv1.RunStatus_RUN_STATUS_SUCCEEDED:
		return task.StatusSucceeded
	case taskv1.RunStatus_RUN_STATUS_PERMANENT:
		return task.StatusPermanent
	case taskv1.RunStatus_RUN_STATUS_RETRY_AFTER:
		return task.StatusRetryAfter
	case taskv1.RunStatus_RUN_STATUS_SKIPPED:
		return task.StatusSkipped
	case taskv1.RunStatus_RUN_STATUS_INTERRUPTED:
		return task.StatusInterrupted
	case taskv1.RunStatus_RUN_STATUS_UNHEALTHY:
		return task.StatusUnhealthy
	case taskv1.RunStatus_RUN_STATUS_PANIC:
		return task.StatusPanic
	}
	return task.StatusFailed
}

func wireCause(c task.CancelCause) taskv1.Cause {
	switch c {
	case task.CauseStopTimeout:
		return taskv1.Cause_CAUSE_STOP_TIMEOUT
	case task.CauseTimeout:
		return taskv1.Cause_CAUSE_TIMEOUT
	}
	return taskv1.Cause_CAUSE_CANCELLED
}

// nanos is a time on the wire; the zero time is 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}
