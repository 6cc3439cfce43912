package admin

import (
	"errors"
	"fmt"
	"net/http"
)

// Problem is a refusal: application/problem+json. It is an error.
type Problem struct {
	Type      string       `json:"type"`            // about:blank
	Title     string       `json:"title,omitempty"` // of the status
	Status    int          `json:"status"`
	Code      string       `json:"code"` // stable; what programs ask for
	Detail    string       `json:"detail"`
	Remedy    string       `json:"remedy"`
	Task      string       `json:"task,omitempty"`
	Run       string       `json:"run,omitempty"` // that it is about; with overlap the run in the way
	Queue     string       `json:"queue,omitempty"`
	Depth     *int         `json:"depth,omitempty"` // with queue_full the messages in it
	RequestID string       `json:"request_id"`
	Errors    []FieldError `json:"errors,omitempty"`

	Diagnostics []Diagnostic `json:"diagnostics,omitempty"` // with config_invalid
}

// FieldError is one thing that is wrong in a request, with its path ("input.urls[2]").
type FieldError struct {
	Path   string `json:"path"`
	Detail string `json:"detail"`
}

// Error is the detail, what is wrong where, and the remedy.
func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = fmt.Sprintf("the host answered %d %s", p.Status, http.StatusText(p.Status))
	}
	for _, e := range p.Errors {
		text += fmt.Sprintf("\n  %s: %s", e.Path, e.Detail)
	}
	for _, d := range p.Diagnostics {
		text += "\n" + d.Text()
	}
	if p.Remedy != "" {
		if len(p.Errors)+len(p.Diagnostics) > 0 {
			text += "\n"
		} else {
			text += "; "
		}
		text += p.Remedy
	}
	return text
}

// AsProblem returns the problem in err's chain, nil when there is none.
func AsProblem(err error) *Problem {
	p, _ := errors.AsType[*Problem](err)
	return p
}

// UnreachableError says that no host answered.
type UnreachableError struct {
	Address string
	Err     error
	remedy  string // "": it may not run
}

func (e *UnreachableError) Error() string {
	if e.remedy != "" {
		return fmt.Sprintf("cannot speak to the host at %s: %v; %s", e.Address, e.Err, e.remedy)
	}
	return fmt.Sprintf("cannot reach the host at %s: %v; is `taskhost serve` running? name another address with -addr or TASKHOST_ADDR", e.Address, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }
