package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// sender carries one message out. An error is a failed try; permanent says that another one cannot help.
type sender interface {
	send(ctx context.Context, m Message, attempt int) error
}

// permanent is an error after which a message is given up at once.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// later is an error that says when to try again.
type later struct {
	error
	after time.Duration
}

func (l later) Unwrap() error { return l.error }

// sentAs is what became of a try, for the queue.
func sentAs(tag uint64, err error, hide func(string) string) task.HandledMessage {
	h := task.HandledMessage{Tag: tag, Status: task.StatusSucceeded}
	if err == nil {
		return h
	}
	h.Status, h.Message = task.StatusFailed, clip(hide(err.Error()))
	if _, ok := errors.AsType[permanent](err); ok {
		h.Status = task.StatusPermanent
	}
	if l, ok := errors.AsType[later](err); ok && l.after > 0 {
		h.Status, h.RetryAfter = task.StatusRetryAfter, l.after
	}
	return h
}

// newSender makes the way out of a notifier. Its templates were checked when the configuration was read.
func newSender(n Notifier, run RunCommand, clock func() time.Time) (sender, error) {
	switch {
	case n.Webhook != nil:
		t, err := optional(n.Webhook.Template)
		return &webhook{of: *n.Webhook, body: t, client: webhookClient(), now: clock}, err
	case n.Email != nil:
		subject, err := ParseTemplate(n.Email.Subject)
		if err != nil {
			return nil, err
		}
		text, err := ParseTemplate(n.Email.Template)
		return &email{of: *n.Email, subject: subject, text: text}, err
	case n.Exec != nil:
		t, err := optional(n.Exec.Template)
		return &command{of: *n.Exec, input: t, run: run}, err
	}
	return nil, fmt.Errorf("the notifier %s has no way to send", n.Name)
}

// optional parses a template that may be left out.
func optional(text string) (*Template, error) {
	if text == "" {
		return nil, nil
	}
	return ParseTemplate(text)
}

// render is a message by its template, or as JSON without one.
func render(t *Template, m Message) ([]byte, error) {
	if t == nil {
		return json.Marshal(m)
	}
	text, err := t.Text(m)
	if err != nil {
		return nil, permanent{fmt.Errorf("the template fails: %w", err)}
	}
	return []byte(text), nil
}
