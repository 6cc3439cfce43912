package redact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Hide replaces secret values in a text. It must be safe for concurrent use.
type Hide func(text string) string

// Launcher starts processes with another Launcher, and hides what they repeat.
type Launcher struct {
	Inner task.Launcher
	Hide  Hide
}

var _ task.Launcher = Launcher{}

// Launch is that of the inner launcher, its errors without secrets.
func (l Launcher) Launch(ctx context.Context, spec task.LaunchSpec) (task.Process, error) {
	if spec.Log != nil {
		spec.Log = sink{spec.Log, l.Hide}
	}
	p, err := l.Inner.Launch(ctx, spec)
	if err != nil {
		return nil, l.Hide.err(err)
	}
	return process{p, l.Hide}, nil
}

// sink hides in log lines.
type sink struct {
	inner task.LogSink
	hide  Hide
}

func (s sink) Line(l task.LogLine) {
	l.Message = s.hide(l.Message)
	l.Fields = s.hide.fields(l.Fields)
	s.inner.Line(l)
}

// process hides in what one process says of itself and of its runs.
type process struct {
	task.Process
	hide Hide
}

func (p process) Configure(ctx context.Context, c task.Configure) error {
	return p.hide.err(p.Process.Configure(ctx, c))
}

func (p process) Open(ctx context.Context, r task.Reports) (task.Session, error) {
	s, err := p.Process.Open(ctx, reports{r, p.hide})
	if err != nil {
		return nil, p.hide.err(err)
	}
	return session{s, p.hide}, nil
}

func (p process) Exit() task.ExitCause { return p.hide.exit(p.Process.Exit()) }

// session hides in the errors of methods.
type session struct {
	task.Session
	hide Hide
}

func (s session) Call(ctx context.Context, method string, input json.RawMessage) (json.RawMessage, error) {
	out, err := s.Session.Call(ctx, method, input)
	return out, s.hide.err(err)
}

// reports hides in what is for people among the reports of a session.
type reports struct {
	task.Reports
	hide Hide
}

func (r reports) RunEnded(result task.RunResult) {
	result.Message, result.Stack = r.hide(result.Message), r.hide(result.Stack)
	r.Reports.RunEnded(result)
}

func (r reports) MessagesHandled(run string, h task.Handled) {
	for i := range h.Messages {
		m := &h.Messages[i]
		m.Message, m.Stack = r.hide(m.Message), r.hide(m.Stack)
	}
	r.Reports.MessagesHandled(run, h)
}

func (r reports) Progress(run string, p task.Progress) {
	p.Note = r.hide(p.Note)
	r.Reports.Progress(run, p)
}

func (r reports) Ready(note string) { r.Reports.Ready(r.hide(note)) }

func (r reports) Beat(note string) { r.Reports.Beat(r.hide(note)) }

func (r reports) Lost(err error) { r.Reports.Lost(r.hide.err(err)) }

// fields hides in the fields of a log line, and keeps them an object.
func (h Hide) fields(fields json.RawMessage) json.RawMessage {
	if len(fields) == 0 {
		return fields
	}
	if bytes.IndexByte(fields, '\\') >= 0 {
		fields = inJSON.ReplaceAllFunc(fields, h.text)
	}
	hidden := json.RawMessage(h(string(fields)))
	if len(hidden) != len(fields) && !json.Valid(hidden) {
		return json.RawMessage(`{}`)
	}
	return hidden
}

// inJSON finds the texts of a JSON document.
var inJSON = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)

// text hides in a text of a JSON document, which may escape any letter of it: < and & are \u003c and \u0026 more often than not.
func (h Hide) text(text []byte) []byte {
	var plain string
	if bytes.IndexByte(text, '\\') < 0 || json.Unmarshal(text, &plain) != nil {
		return text
	}
	hidden := h(plain)
	if hidden == plain {
		return text
	}
	text, _ = json.Marshal(hidden) // a text always has a JSON form
	return text
}

func (h Hide) exit(e task.ExitCause) task.ExitCause {
	e.Panic = h(e.Panic)
	lines := make([]string, 0, len(e.Stderr))
	for _, line := range e.Stderr {
		lines = append(lines, h(line))
	}
	e.Stderr = lines
	return e
}

// err hides in an error, and keeps its type where somebody asks for it.
func (h Hide) err(err error) error {
	if err == nil || h(err.Error()) == err.Error() && !holdsExit(err) {
		return err
	}
	if launch, ok := errors.AsType[*task.LaunchError](err); ok {
		copied := *launch
		copied.Detail, copied.Remedy = h(copied.Detail), h(copied.Remedy)
		if copied.Exit != nil {
			exit := h.exit(*copied.Exit)
			copied.Exit = &exit
		}
		return &copied
	}
	if config, ok := errors.AsType[*task.ConfigError](err); ok {
		copied := &task.ConfigError{}
		for _, p := range config.Problems {
			copied.Problems = append(copied.Problems, task.ConfigProblem{Path: p.Path, Summary: h(p.Summary), Detail: h(p.Detail)})
		}
		return copied
	}
	return &hidden{h, err}
}

func holdsExit(err error) bool {
	launch, ok := errors.AsType[*task.LaunchError](err)
	return ok && launch.Exit != nil && strings.Join(launch.Exit.Stderr, "")+launch.Exit.Panic != ""
}

// hidden is an error without the secrets in its text.
type hidden struct {
	hide  Hide
	inner error
}

func (e *hidden) Error() string { return e.hide(e.inner.Error()) }

func (e *hidden) Unwrap() error { return e.inner }
