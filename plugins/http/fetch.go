package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
	"unicode/utf8"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/task"
)

// FetchConfig is what `config {}` of a fetch takes.
type FetchConfig struct {
	Headers map[string]string `task:"headers,optional" doc:"headers of every request"`
	Timeout time.Duration     `task:"timeout,optional" default:"30s" min:"1ms" doc:"of one request as a whole"`
	MaxBody int64             `task:"max_body,optional" default:"512KiB" kind:"bytes" min:"0" max:"640KiB" doc:"a larger document is a failure; it travels as a message"`
}

// Validate checks what no single attribute can say.
func (c FetchConfig) Validate() []task.Problem { return checkHeaders(c.Headers) }

// Address is the message that fetch consumes.
type Address struct {
	URL string `json:"url" doc:"what to fetch, http or https"`
}

// Page is what was fetched. A body that is no text stands in body_base64.
type Page struct {
	URL         string    `json:"url"`
	Status      int       `json:"status"`
	ContentType string    `json:"content_type,omitempty"`
	Body        string    `json:"body,omitempty"`
	Base64      string    `json:"body_base64,omitempty"`
	Fetched     time.Time `json:"fetched_at"`
}

// fetch is a pool of scrapers: one request per message, over connections that are kept.
type fetch struct {
	config FetchConfig
	client *http.Client
}

var _ task.Handler[Address] = (*fetch)(nil)

func openFetch(_ context.Context, _ *task.Host, c FetchConfig) (*fetch, error) {
	return &fetch{config: c, client: keptClient()}, nil
}

// keptClient keeps a connection per worker and host for a while.
func keptClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     time.Minute,
	}}
}

// Close ends the connections that were kept.
func (f *fetch) Close() error {
	f.client.CloseIdleConnections()
	return nil
}

// Handle fetches one address. The page goes on in the same commit that takes the address from its queue, so each
// address that is fetched goes on exactly once. A status that trying again cannot mend makes it a dead letter.
func (f *fetch) Handle(ctx context.Context, _ *task.Host, m *task.Message[Address]) error {
	if problems := checkURL("url", m.Value.URL); len(problems) > 0 {
		return task.Permanent(fmt.Errorf("url: %s", problems[0].Summary))
	}
	page, err := f.get(ctx, m.Value.URL)
	if err != nil {
		return err
	}
	m.Emit("pages", page)
	return nil
}

func (f *fetch) get(ctx context.Context, address string) (Page, error) {
	ctx, cancel := context.WithTimeout(ctx, f.config.Timeout)
	defer cancel()
	request, err := newRequest(ctx, http.MethodGet, address, "", f.config.Headers)
	if err != nil {
		return Page{}, err
	}
	response, err := f.client.Do(request)
	if err != nil {
		return Page{}, fmt.Errorf("fetch: %w", withoutURL(err))
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		return Page{}, refusal(response, time.Now())
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, f.config.MaxBody+1))
	if err != nil {
		return Page{}, fmt.Errorf("read the document: %w", err)
	}
	if int64(len(body)) > f.config.MaxBody {
		return Page{}, task.Permanent(fmt.Errorf("the document has more than max_body, %s", schema.FormatBytes(f.config.MaxBody)))
	}
	page := Page{URL: address, Status: response.StatusCode, ContentType: response.Header.Get("Content-Type"), Fetched: time.Now().UTC()}
	if utf8.Valid(body) {
		page.Body = string(body)
	} else {
		page.Base64 = base64.StdEncoding.EncodeToString(body)
	}
	return page, nil
}

// withoutURL takes the URL out of an error: it may hold a password.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
