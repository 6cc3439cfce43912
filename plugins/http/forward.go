package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/taskhost/taskhost/sdk/task"
)

// ForwardConfig is what `config {}` of a forward takes.
type ForwardConfig struct {
	URL     string            `task:"url" kind:"url" doc:"where the messages go"`
	Method  string            `task:"method,optional" default:"POST" doc:"HTTP method"`
	Headers map[string]string `task:"headers,optional" doc:"headers of every request"`
	Timeout time.Duration     `task:"timeout,optional" default:"30s" min:"1ms" doc:"of one request as a whole"`
}

// Validate checks what no single attribute can say.
func (c ForwardConfig) Validate() []task.Problem {
	problems := append(checkURL("url", c.URL), checkHeaders(c.Headers)...)
	if !httpguts.ValidHeaderFieldName(c.Method) {
		problems = append(problems, task.Wrong("method", fmt.Sprintf("%q is not an HTTP method", c.Method)))
	}
	return problems
}

// forward hands messages to an endpoint, as they are.
type forward struct {
	config ForwardConfig
	client *http.Client
}

var _ task.Handler[json.RawMessage] = (*forward)(nil)

func openForward(_ context.Context, _ *task.Host, c ForwardConfig) (*forward, error) {
	client := keptClient()
	client.CheckRedirect = sameMethod
	return &forward{config: c, client: client}, nil
}

// sameMethod follows a redirect that hands the message on. Others ask for a page with GET, without the message: that
// the page is there says nothing of it, so the redirect is the answer.
func sameMethod(next *http.Request, before []*http.Request) error {
	if next.Method != before[0].Method {
		return http.ErrUseLastResponse
	}
	if len(before) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	return nil
}

// Close ends the connections that were kept.
func (f *forward) Close() error {
	f.client.CloseIdleConnections()
	return nil
}

// Handle sends one message. The endpoint may get it more than once, when the host or this process dies before the
// answer is kept; Idempotency-Key then has the same value.
func (f *forward) Handle(ctx context.Context, _ *task.Host, m *task.Message[json.RawMessage]) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.Timeout)
	defer cancel()
	request, err := newRequest(ctx, f.config.Method, f.config.URL, "", f.config.Headers)
	if err != nil {
		return err
	}
	request.Body = io.NopCloser(bytes.NewReader(m.Value))
	request.ContentLength = int64(len(m.Value))
	request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.Value)), nil }
	if request.Header.Get("Content-Type") == "" {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Idempotency-Key", m.ID)
	response, err := f.client.Do(request)
	if err != nil {
		return fmt.Errorf("forward: %w", withoutURL(err))
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer) // so that the connection can be kept
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return refusal(response, time.Now())
	}
	return nil
}

const (
	maxAnswer    = 64 << 10 // bytes of an answer that are read
	maxRedirects = 10
)
