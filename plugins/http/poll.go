package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/task"
)

// PollConfig is what `config {}` of a poll takes.
type PollConfig struct {
	URL     string            `task:"url" kind:"url" doc:"what to fetch"`
	Headers map[string]string `task:"headers,optional" doc:"headers of the request"`
	Timeout time.Duration     `task:"timeout,optional" default:"30s" min:"1ms" doc:"of the request as a whole"`
	MaxBody int64             `task:"max_body,optional" default:"64MiB" kind:"bytes" min:"1" doc:"a larger document is a failure"`
	SaveTo  string            `task:"save_to,optional" doc:"file that holds the newest document; it is replaced as a whole"`
}

// Validate checks what no single attribute can say.
func (c PollConfig) Validate() []task.Problem {
	return append(checkURL("url", c.URL), checkHeaders(c.Headers)...)
}

// Document is what a poll found; most of it is published as well.
type Document struct {
	Changed      bool   `json:"changed"`
	Status       int    `json:"status"`
	Bytes        int64  `json:"bytes"`
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	SHA256       string `json:"sha256"`
}

// seen is the checkpoint: the document as it was fetched last.
type seen struct {
	URL string `json:"url"`
	Document
}

const seenKey = "document"

// poll fetches one document.
type poll struct {
	config PollConfig
	client *http.Client
}

var _ task.JobRunner[struct{}, Document] = (*poll)(nil)

func openPoll(_ context.Context, _ *task.Host, c PollConfig) (*poll, error) {
	return &poll{config: c, client: &http.Client{Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		ForceAttemptHTTP2: true,
		MaxIdleConns:      1,
		IdleConnTimeout:   time.Minute,
	}}}, nil
}

// Close ends the connection that was kept.
func (p *poll) Close() error {
	p.client.CloseIdleConnections()
	return nil
}

// Run fetches the document unless the server says that it has not changed. What was
// fetched becomes the checkpoint only when it is saved: a run that fails before begins anew.
func (p *poll) Run(ctx context.Context, h *task.Host, _ struct{}) (Document, error) {
	last, _, err := task.Load[seen](ctx, h, seenKey)
	if err != nil {
		return Document{}, err
	}
	if last.URL != p.config.URL {
		last = seen{}
	}
	now, err := p.fetch(ctx, last.Document, p.stillThere())
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("the poll was stopped: %w", context.Cause(ctx))
		}
		return Document{}, err
	}
	if err := h.Commit(ctx, task.Save(seenKey, seen{URL: p.config.URL, Document: now})); err != nil {
		return Document{}, err
	}
	h.Log().Debug("polled", "status", now.Status, "changed", now.Changed, "bytes", now.Bytes)
	return now, errors.Join(
		h.Publish("changed", now.Changed),
		h.Publish("bytes", now.Bytes),
		h.Publish("etag", now.ETag),
		h.Publish("status", now.Status),
	)
}

// stillThere reports whether the saved file is where it should be; otherwise it is
// fetched again.
func (p *poll) stillThere() bool {
	if p.config.SaveTo == "" {
		return true
	}
	_, err := os.Stat(p.config.SaveTo)
	return err == nil
}

// fetch asks for the document; unless it is held already, for the whole of it.
func (p *poll) fetch(ctx context.Context, last Document, held bool) (Document, error) {
	ctx, cancel := context.WithTimeout(ctx, p.config.Timeout)
	defer cancel()
	request, err := newRequest(ctx, http.MethodGet, p.config.URL, "", p.config.Headers)
	if err != nil {
		return Document{}, err
	}
	if held && last.ETag != "" {
		request.Header.Set("If-None-Match", last.ETag)
	}
	if held && last.LastModified != "" {
		request.Header.Set("If-Modified-Since", last.LastModified)
	}
	response, err := p.client.Do(request)
	if err != nil {
		return Document{}, fmt.Errorf("fetch: %w", withoutURL(err))
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotModified && held && last.SHA256 != "":
		last.Changed, last.Status = false, response.StatusCode
		return last, nil
	case response.StatusCode < 200 || response.StatusCode > 299:
		return Document{}, refusal(response, time.Now())
	}
	now := Document{Status: response.StatusCode, ETag: response.Header.Get("ETag"), LastModified: response.Header.Get("Last-Modified")}
	known := last.SHA256
	if !held {
		known = ""
	}
	if now.Bytes, now.SHA256, err = p.save(response.Body, known); err != nil {
		return Document{}, err
	}
	now.Changed = now.SHA256 != last.SHA256
	return now, nil
}

// refusal is the error of a status that is no success.
func refusal(response *http.Response, now time.Time) error {
	err := fmt.Errorf("the answer is status %s", response.Status)
	switch s := response.StatusCode; {
	case s == http.StatusTooManyRequests || s == http.StatusServiceUnavailable:
		if after, ok := retryAfter(response.Header.Get("Retry-After"), now); ok {
			return task.RetryAfter(after, err)
		}
		return err
	case s == http.StatusRequestTimeout || s == http.StatusTooEarly || s >= 500:
		return err
	default:
		return task.Permanent(err)
	}
}

// maxRetryAfter bounds what a server may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads seconds or a date.
func retryAfter(text string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter), true
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), maxRetryAfter), true
	}
	return 0, false
}

// save reads the body, and puts it in the place of the file unless the file holds it already.
func (p *poll) save(body io.Reader, held string) (int64, string, error) {
	hash := sha256.New()
	var to io.Writer = hash
	var file *os.File
	if p.config.SaveTo != "" {
		var err error
		file, err = os.CreateTemp(filepath.Dir(p.config.SaveTo), "."+filepath.Base(p.config.SaveTo)+".*")
		if err != nil {
			return 0, "", fmt.Errorf("save: %w", err)
		}
		defer os.Remove(file.Name()) // of what was not renamed
		defer file.Close()
		to = io.MultiWriter(hash, file)
	}
	n, err := io.Copy(to, io.LimitReader(body, p.config.MaxBody+1))
	if err != nil {
		return 0, "", fmt.Errorf("read the document: %w", err)
	}
	if n > p.config.MaxBody {
		return 0, "", task.Permanent(fmt.Errorf("the document has more than max_body, %s", schema.FormatBytes(p.config.MaxBody)))
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	if file == nil || sum == held {
		return n, sum, nil
	}
	if err := replace(file, p.config.SaveTo); err != nil {
		return 0, "", fmt.Errorf("save: %w", err)
	}
	return n, sum, nil
}

// replace gives a written file its name, durably and as a whole.
func replace(file *os.File, name string) error {
	mode := os.FileMode(0o644)
	if was, err := os.Stat(name); err == nil {
		mode = was.Mode().Perm()
	}
	if err := errors.Join(file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
