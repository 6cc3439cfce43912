package redact

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/task"
)

func hide(text string) string { return strings.ReplaceAll(text, "hunter2hunter2", "***") }

// broken launches nothing.
type broken struct{ err error }

func (b broken) Launch(_ context.Context, spec task.LaunchSpec) (task.Process, error) {
	spec.Log.Line(task.LogLine{Message: "my word is hunter2hunter2", Fields: json.RawMessage(`{"env":"hunter2hunter2"}`)})
	return nil, b.err
}

type lines []task.LogLine

func (l *lines) Line(line task.LogLine) { *l = append(*l, line) }

func TestErrorsKeepTheirTypeAndLoseTheirSecrets(t *testing.T) {
	t.Parallel()
	inner := errors.New("dial hunter2hunter2: refused")
	for _, err := range []error{
		&task.LaunchError{Kind: task.LaunchExited, Detail: "it said hunter2hunter2", Err: inner, Exit: &task.ExitCause{Code: 3, Stderr: []string{"hunter2hunter2"}, Panic: "panic: hunter2hunter2"}},
		&task.LaunchError{Kind: task.LaunchExited, Detail: "it said nothing", Exit: &task.ExitCause{Code: 3, Stderr: []string{"hunter2hunter2"}}},
		&task.ConfigError{Problems: []task.ConfigProblem{{Path: "url", Summary: "hunter2hunter2 is no URL", Detail: "not hunter2hunter2"}}},
		inner,
	} {
		var log lines
		_, got := Launcher{Inner: broken{err}, Hide: hide}.Launch(t.Context(), task.LaunchSpec{Log: &log})
		text, marshalErr := json.Marshal([]any{got, got.Error(), log})
		if marshalErr != nil || strings.Contains(string(text), "hunter2hunter2") || !strings.Contains(string(text), "***") {
			t.Errorf("%s %v", text, marshalErr)
		}
		if launch, ok := errors.AsType[*task.LaunchError](err); ok {
			if l, ok := errors.AsType[*task.LaunchError](got); !ok || l.Kind != launch.Kind || l.Exit.Code != 3 {
				t.Errorf("%#v", got)
			}
		}
		if _, ok := errors.AsType[*task.ConfigError](err); ok {
			if _, ok := errors.AsType[*task.ConfigError](got); !ok {
				t.Errorf("%#v", got)
			}
		}
	}
}

func TestWithoutSecretsNothingChanges(t *testing.T) {
	t.Parallel()
	err := &task.LaunchError{Kind: task.LaunchMissing, Detail: "no such file"}
	if got := Hide(hide).err(err); got != error(err) {
		t.Errorf("%#v", got)
	}
	if got := Hide(hide).fields(json.RawMessage(`{"a":1}`)); string(got) != `{"a":1}` {
		t.Errorf("%s", got)
	}
}

func TestFieldsLoseASecretHoweverItIsEscaped(t *testing.T) {
	t.Parallel()
	const secret = `postgres://shop:pä&ss<"word@db/shop?a=1&b=2`
	h := Hide(func(text string) string { return strings.ReplaceAll(text, secret, "***") })
	for fields, want := range map[string]string{
		`{"n":1,"url":"postgres://shop:pä&ss<\"word@db/shop?a=1&b=2"}`:                                 `{"n":1,"url":"***"}`,
		`{"url":"to postgres://shop:pä\u0026ss\u003c\"word@db/shop?a=1\u0026b=2 it is","n":1.50}`:      `{"url":"to *** it is","n":1.50}`,
		`{"a":{"b":["postgres:\/\/shop:p\u00e4&ss<\u0022word@db\/shop?a=1&b=2"]},"c":"\u003cb\u003e"}`: `{"a":{"b":["***"]},"c":"\u003cb\u003e"}`,
	} {
		if got := h.fields(json.RawMessage(fields)); string(got) != want {
			t.Errorf("%s became %s, want %s", fields, got, want)
		}
	}
}

// recorder notes what comes through.
type recorder struct {
	task.Reports
	got []any
}

func (r *recorder) RunEnded(x task.RunResult) {
	r.got = append(r.got, x.Message, x.Stack, string(x.Result))
}
func (r *recorder) Progress(_ string, p task.Progress)    { r.got = append(r.got, p.Note) }
func (r *recorder) Published(_ string, v json.RawMessage) { r.got = append(r.got, string(v)) }
func (r *recorder) Ready(note string)                     { r.got = append(r.got, note) }

func TestReportsForPeopleLoseSecretsAndDataStays(t *testing.T) {
	t.Parallel()
	var rec recorder
	r := task.Reports(reports{&rec, hide})
	r.RunEnded(task.RunResult{Message: "hunter2hunter2!", Stack: "at hunter2hunter2", Result: json.RawMessage(`"hunter2hunter2"`)})
	r.Progress("r", task.Progress{Note: "hunter2hunter2"})
	r.Published("k", json.RawMessage(`"hunter2hunter2"`))
	r.Ready("hunter2hunter2")
	want := []any{"***!", "at ***", `"hunter2hunter2"`, "***", `"hunter2hunter2"`, "***"}
	if diff := cmp.Diff(want, rec.got); diff != "" {
		t.Error(diff)
	}
}
