package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

const (
	postWait   = 10 * time.Second // for room in a queue with overflow "block", unless the caller says
	leastWait  = time.Second      // the disk takes part of it
	maxKeyText = 256              // bytes of a message's key
	maxIDText  = 128
)

// postTo is the queue that the route names, when the caller may post to it. Who may not learns nothing of it.
func (a *API) postTo(r *request) (string, *intake, error) {
	if a.Fleet.Generation().Number == 0 { // what its messages must look like is not known yet
		starting := refuse("unready", "the host is starting").with("post the message again in a moment")
		starting.retryAfter = "1"
		return "", nil, starting
	}
	name := r.PathValue("queue")
	in := a.intake(name)
	switch {
	case !task.ValidName(name) && r.who.Role != Producer && !r.ingress:
		return "", nil, a.noQueue(r, name)
	case !task.ValidName(name) || !in.open(r, name):
		return "", nil, refuse(task.CodeQueueUnknown, "there is no queue %q that takes messages here", short(name)).
			with("a queue takes messages from producers when its file says ingress = true")
	}
	return name, in, nil
}

// postMessage puts one message into a queue: the body is the message.
func (a *API) postMessage(r *request) (any, error) {
	name, in, err := a.postTo(r)
	if err != nil {
		return nil, err
	}
	m := task.NewMessage{Source: r.who.Name, Clean: true, TraceParent: r.trace}
	if m.ID, err = messageID(r); err != nil {
		return nil, err
	}
	if m.Key, err = messageKey(r); err != nil {
		return nil, err
	}
	wait, err := r.postWait()
	if err != nil {
		return nil, err
	}
	if m.Body, err = r.message(); err != nil {
		return nil, err
	}
	if err := in.check(m.Body); err != nil {
		return nil, err
	}
	ctx := r.Context()
	if in.waits { // nobody else needs the timer
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	posted, err := a.Queues.Post(ctx, name, m)
	if err != nil {
		return nil, a.notPosted(r, name, err)
	}
	return answer{status: postedStatus(posted), body: admin.Posted{ID: posted.ID, Duplicate: posted.Duplicate}}, nil
}

func postedStatus(p task.Posted) int {
	if p.Duplicate {
		return http.StatusOK
	}
	return http.StatusAccepted
}

// postWait is how long a post may wait for room.
func (r *request) postWait() (time.Duration, error) {
	wait, err := r.wait()
	if err == nil && !r.q.Has("wait") {
		wait = postWait
	}
	return max(wait, leastWait), err
}

// notPosted tells of a full queue how full it is and when to come again, and of a queue that is not there which
// are.
func (a *API) notPosted(r *request, queue string, err error) error {
	e, refused := errors.AsType[*task.Error](err)
	if refused && e.Code == task.CodeQueueUnknown && r.who.Role != Producer {
		return a.noQueue(r, queue)
	}
	if refused && e.Code == task.CodeQueueFull {
		full := refuse(e.Code, "%s", e.Detail).with("%s", e.Remedy)
		full.retryAfter = "1"
		if s, ok := a.Queues.Queue(queue); ok {
			full.depth = new(s.Messages)
			if len(s.Consumers) == 0 {
				full.retryAfter = "10" // nobody makes room
			}
		}
		return full
	}
	if errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil {
		return refuse(task.CodeDeadline, "whether the message is kept was not known in time").
			with("post it again with the same Idempotency-Key: then it is there once")
	}
	return err
}

// messageID is the id that the producer gave to the message; "" is none.
func messageID(r *request) (string, error) {
	given := r.Header["Idempotency-Key"]
	if len(given) == 0 {
		return "", nil
	}
	return given[0], checkID("the Idempotency-Key", given[0])
}

// checkID refuses what cannot be the id of a message. Those that begin with ~ are the host's own.
func checkID(what, id string) error {
	printable := func(r rune) bool { return r < ' ' || r > '~' }
	if id == "" || len(id) > maxIDText || strings.ContainsFunc(id, printable) || id[0] == '~' {
		return refuse(task.CodeInvalid, "%s %q cannot be the id of a message", what, short(id)).
			with("an id has 1 to %d printable ASCII characters and does not begin with ~", maxIDText)
	}
	return nil
}

// messageKey is the key of the message, by header or by query; "" is none.
func messageKey(r *request) (string, error) {
	key, given := r.Header.Get("Message-Key"), r.q.Get("key")
	if key != "" && given != "" && key != given {
		return "", refuse(task.CodeInvalid, "the header Message-Key and the parameter key differ").with("send one of them")
	}
	if key == "" {
		key = given
	}
	return key, checkKey(key)
}

func checkKey(key string) error {
	switch {
	case len(key) > maxKeyText:
		return refuse(task.CodeInvalid, "the message's key has more than %d bytes", maxKeyText)
	case !utf8.ValidString(key):
		return refuse(task.CodeInvalid, "the message's key is no UTF-8").with("send it in UTF-8")
	case strings.ContainsFunc(key, unicode.IsControl):
		return refuse(task.CodeInvalid, "the message's key has control characters").with("leave them out")
	}
	return nil
}

// message reads the body that is a message. Without a Content-Type it is taken for JSON.
func (r *request) message() (json.RawMessage, error) {
	data, err := r.read(task.MaxMessageBytes, tooLargeMessage)
	if err != nil {
		return nil, err
	}
	if len(data) == 0 {
		return nil, refuse("body_invalid", "the body is empty; it is to be the message").with("null is a message, too")
	}
	if media := r.Header.Get("Content-Type"); media != "" && !isMedia(media, "application/json") {
		return nil, notJSON(media)
	}
	return compact(data)
}

// compact checks a message and takes the space out of it: the same value is the same bytes, whoever wrote it. It
// returns a copy.
func compact(data []byte) (json.RawMessage, error) {
	var out bytes.Buffer
	out.Grow(len(data))
	if nesting(data) > maxDepth || !utf8.Valid(data) || json.Compact(&out, data) != nil {
		return nil, checkJSON(data)
	}
	if out.Len() < len(data)/2 {
		return bytes.Clone(out.Bytes()), nil // it is kept for long, and the spaces are not to be kept with it
	}
	return out.Bytes(), nil
}

func tooLargeMessage() *refusal {
	return refuse(task.CodeMessageTooBig, "the message has more than %s", schema.FormatBytes(task.MaxMessageBytes))
}
