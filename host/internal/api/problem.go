package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

// A Code is one kind of refusal. Programs ask for its name, so a name never changes its meaning.
type Code struct {
	Name    string
	Status  int
	Meaning string
	Remedy  string // when the refusal itself has none
}

// Codes lists every code that the API answers with; the reference is made from it.
var Codes = []Code{
	{"body_invalid", http.StatusBadRequest, "the body is no JSON document of the expected form", "compare it with GET /v1/openapi.json"},
	{"query_invalid", http.StatusBadRequest, "a query parameter is unknown or wrong", "compare it with GET /v1/openapi.json"},
	{"token_missing", http.StatusUnauthorized, "the request says not who makes it", "send Authorization: Bearer with the text of admin.token in the host's data_dir, or use the Unix socket"},
	{"token_wrong", http.StatusUnauthorized, "the token is none of the host's, or was revoked", "read it again from admin.token in the host's data_dir (producers: producer.token), have one made with taskhost token create, or use the Unix socket"},
	{"token_expired", http.StatusUnauthorized, "the token, or the certificate, has expired", "have a new one made: taskhost token create"},
	{"login_limited", http.StatusTooManyRequests, "too many wrong tokens came from one place", "mend the token; who has a right one is let in meanwhile"},
	{"rate_limited", http.StatusTooManyRequests, "the caller makes more requests than host.admin.rate or host.ingress.rate allows", "try again after the seconds of Retry-After"},
	{"forbidden", http.StatusForbidden, "the caller's role, or what his token is for, does not reach so far", "use a token with that role"},
	{"cross_origin", http.StatusForbidden, "a page of another origin made the request", "call the API from a program, or from the host's own page"},
	{"route_unknown", http.StatusNotFound, "there is no such route", "GET /v1/openapi.json lists the routes"},
	{task.CodeTaskUnknown, http.StatusNotFound, "there is no such task", "taskhost status lists the tasks"},
	{task.CodeRunUnknown, http.StatusNotFound, "there is no such run, or it is no longer remembered", "taskhost runs list lists the runs"},
	{"plugin_unknown", http.StatusNotFound, "there is no such plugin", "taskhost plugin list lists the plugins"},
	{"token_unknown", http.StatusNotFound, "there is no such token", "taskhost token list lists the tokens"},
	{"token_exists", http.StatusConflict, "there is a token with this name", "choose another name, or revoke that one first"},
	{"key_unknown", http.StatusNotFound, "the checkpoint has no such key", "taskhost task checkpoint NAME lists the keys"},
	{codeNotifierUnknown, http.StatusNotFound, "there is no such notifier", "taskhost notifiers list lists the notifiers"},
	{task.CodeQueueUnknown, http.StatusNotFound, "there is no such queue, or none that the caller may post to", "taskhost queue list lists the queues"},
	{task.CodeDeadUnknown, http.StatusNotFound, "there is no such dead letter, or no longer", "taskhost queue dead NAME lists the dead letters"},
	{CodeGenerationUnknown, http.StatusNotFound, "there is no such generation of the configuration, or no longer", "taskhost config generations lists those that are remembered"},
	{task.CodeMethodUnknown, http.StatusNotFound, "the task's type has no such method", "taskhost plugin describe NAME lists the methods"},
	{"method_not_allowed", http.StatusMethodNotAllowed, "the route takes another HTTP method", "the Allow header names the methods"},
	{task.CodeOverlap, http.StatusConflict, "a run is in the way", `wait for it, cancel it, or say "overlap": "queue"`},
	{task.CodeStopped, http.StatusConflict, "the task is stopped", "start it first"},
	{task.CodeNotPeriodic, http.StatusConflict, "the task's mode does not allow it", "start and restart are the verbs of a continuous task"},
	{task.CodeNotRunning, http.StatusConflict, "nothing of the task is live", "start it first"},
	{task.CodeFailed, http.StatusConflict, "the task has failed for good", "see its reason, mend it, then start it"},
	{"run_live", http.StatusConflict, "the run has not ended, or a run of the task goes on", "wait for it, cancel it, or use force"},
	{"run_ended", http.StatusConflict, "the run has ended", "retry it"},
	{CodeReloadRunning, http.StatusConflict, "another reload is at work", "try again when it is done"},
	{codeTaskGone, http.StatusGone, "the task is no longer in the configuration; its history stays", "taskhost runs list NAME shows its runs"},
	{CodePlanStale, http.StatusPreconditionFailed, "what would be applied is no longer what the plan showed", "plan again, and apply the new plan"},
	{CodeVersionConflict, http.StatusPreconditionFailed, "the value has another version than If-Match says", "read it again and decide anew"},
	{"host_unknown", http.StatusMisdirectedRequest, "the Host header does not name this host", "use the address that the host listens on"},
	{"body_too_large", http.StatusRequestEntityTooLarge, "the body is larger than the route takes", "send less"},
	{task.CodeMessageTooBig, http.StatusRequestEntityTooLarge, "the message is larger than a queue takes", "put the data elsewhere and post where it lies"},
	{"body_type", http.StatusUnsupportedMediaType, "the body is not declared as JSON", "with curl write --json DATA in place of -d DATA, or send Content-Type: application/json"},
	{task.CodeInvalid, http.StatusUnprocessableEntity, "the request asks for what cannot be", "mend what the detail names"},
	{codeConfigInvalid, http.StatusUnprocessableEntity, "the files of the configuration have errors; nothing was changed", "mend what the diagnostics name; taskhost validate shows them, too"},
	{"input_invalid", http.StatusUnprocessableEntity, "the input does not fit the type's schema", "taskhost plugin describe NAME shows the schema"},
	{"message_invalid", http.StatusUnprocessableEntity, "the message does not fit the schema of the queue's consumers", "taskhost plugin describe NAME shows the schema"},
	{task.CodeIDReused, http.StatusUnprocessableEntity, "the id came with another message before", "use a new id for a new message"},
	{"key_reused", http.StatusUnprocessableEntity, "the Idempotency-Key came with another body before", "use a new key for a new request"},
	{"limit", http.StatusUnprocessableEntity, "a value, a key or their number is over its bound", "delete some, or send less"},
	{task.CodeQueueFull, http.StatusTooManyRequests, "the queue is full", "try again after the seconds of Retry-After"},
	{"busy", http.StatusTooManyRequests, "too many requests or streams go on", "try again after the seconds of Retry-After"},
	{codeCallerGone, statusCallerGone, "the caller did not wait for the answer; it stands in the audit log and the metrics alone", "what was asked for goes on"},
	{"internal", http.StatusInternalServerError, "the host made a mistake", "look into the host's log for the request id, and report it"},
	{task.CodeMethodFailed, http.StatusBadGateway, "the method returned an error", "see the task's log"},
	{"stalled", http.StatusServiceUnavailable, "the host makes no progress", "see its log; end it hard and start it anew if it stays so"},
	{"unready", http.StatusServiceUnavailable, "the host is not ready to work", "GET /v1/host says more"},
	{"store_unavailable", http.StatusServiceUnavailable, "the disk takes no writes, so nothing can be kept for good", "tasks go on; the store goes on by itself once the disk does"},
	{task.CodeShutdown, http.StatusServiceUnavailable, "the host is shutting down", "wait until it is back"},
	{task.CodeDeadline, http.StatusGatewayTimeout, "the answer did not come in time", "allow more time with timeout, or see the task's log"},
}

// Who closes the connection before he has his answer is no failure of the host. Nobody reads the status, which is the one
// that proxies have for it.
const (
	codeCallerGone   = "caller_gone"
	statusCallerGone = 499
)

// codeOf is the row of a code; of one that is not listed, a conflict: the supervisor refuses for
// reasons of its own.
func codeOf(name string) Code {
	for _, c := range Codes {
		if c.Name == name {
			return c
		}
	}
	return Code{Name: name, Status: http.StatusConflict, Remedy: "see the task's reason with taskhost task show"}
}

// refusal is a problem in the making.
type refusal struct {
	code      string
	detail    string
	remedy    string
	task, run string
	depth     *int // of the queue, with queue_full
	fields    []admin.FieldError
	outside   bool   // it lies outside the scope of the caller's token
	allow     string // with method_not_allowed
	// diagnostics of a configuration
	diagnostics []admin.Diagnostic
	retryAfter  string
}

func (r *refusal) Error() string { return r.detail }

func refuse(code, format string, args ...any) *refusal {
	return &refusal{code: code, detail: fmt.Sprintf(format, args...)}
}

func (r *refusal) with(format string, args ...any) *refusal {
	r.remedy = fmt.Sprintf(format, args...)
	return r
}

func (r *refusal) of(task, run string) *refusal {
	r.task, r.run = task, run
	return r
}

// problem turns any error of a handler into what the caller sees. It never shows the text of an
// error that nobody foresaw: the log has it, with the request id.
func (a *API) problem(r *request, err error) (*admin.Problem, *refusal) {
	known, foreseen := errors.AsType[*refusal](err)
	if !foreseen {
		if e, ok := errors.AsType[*task.Error](err); ok {
			known = &refusal{code: e.Code, detail: e.Detail, remedy: e.Remedy, run: e.Run}
		} else if e, ok := errors.AsType[*ConfigInvalid](err); ok {
			known = &refusal{code: codeConfigInvalid, detail: e.Error(), diagnostics: e.Diagnostics}
		} else if errors.Is(err, errClosing) {
			known = refuse(task.CodeShutdown, "the host is shutting down")
		} else if errors.Is(err, context.DeadlineExceeded) {
			known = refuse(task.CodeDeadline, "the answer did not come in time")
		} else if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
			known = refuse(codeCallerGone, "the caller did not wait for the answer")
		} else {
			a.Log.Error("request failed", "request", r.id, "method", r.Method, "path", r.URL.Path, "err", err)
			known = refuse("internal", "the host could not answer; its log says why under request %s", r.id)
		}
	}
	code := codeOf(known.code)
	p := &admin.Problem{
		Type: "about:blank", Title: http.StatusText(code.Status), Status: code.Status, Code: code.Name,
		Detail: known.detail, Remedy: known.remedy, Task: known.task, Run: known.run, RequestID: r.id, Errors: known.fields,
	}
	if p.Remedy == "" {
		p.Remedy = code.Remedy
	}
	if p.Task == "" {
		p.Task = r.PathValue("task")
	}
	p.Depth, p.Diagnostics = known.depth, known.diagnostics
	if name := r.PathValue("queue"); task.ValidName(name) {
		p.Queue = name
	}
	if p.Run == "" {
		p.Run = r.PathValue("run")
	}
	return p, known
}

// unknown is the refusal of a name that is not there, with the nearest one that is.
func unknown(code, noun, name, list string, names []string) *refusal {
	r := refuse(code, "there is no %s %q", noun, name)
	if near, ok := schema.Nearest(name, names); ok {
		return r.with("%s; the nearest name is %q", list, near)
	}
	return r.with("%s", list)
}

// fieldErrors turns what a schema says into paths below root.
func fieldErrors(root string, problems []schema.Problem) []admin.FieldError {
	var out []admin.FieldError
	for _, p := range problems {
		if p.Warning {
			continue
		}
		path := schema.FormatPath(p.Path)
		switch {
		case path == "":
			path = root
		case strings.HasPrefix(path, "["):
			path = root + path
		default:
			path = root + "." + path
		}
		detail := p.Summary
		if p.Detail != "" {
			detail += ": " + p.Detail
		}
		out = append(out, admin.FieldError{Path: path, Detail: detail})
	}
	return out
}
