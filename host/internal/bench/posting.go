package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// intake is where messages are posted to: taskhost or what it is held against.
type intake struct {
	client *http.Client
	url    string
	token  string
}

// newIntake reaches an address over "unix" or "tcp".
func newIntake(network, address, path, token string) *intake {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	host := address
	if network == "unix" {
		host = "th"
	}
	return &intake{
		client: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConns: 512, MaxIdleConnsPerHost: 512}},
		url:    "http://" + host + path, token: token,
	}
}

// post hands in one message.
func (in *intake) post(ctx context.Context, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, in.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if in.token != "" {
		r.Header.Set("Authorization", "Bearer "+in.token)
	}
	answer, err := in.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("post a message: %s: %s", answer.Status, text)
	}
	return nil
}

// postAll hands in count messages from so many posters at a time, and returns how long each took.
func (in *intake) postAll(ctx context.Context, posters, count int, message func(n int) []byte) ([]time.Duration, error) {
	took := make([]time.Duration, count)
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, posters)
	for p := range posters {
		all.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if n >= count || ctx.Err() != nil {
					return
				}
				began := time.Now()
				if err := in.post(ctx, message(n)); err != nil {
					errs[p] = err
					return
				}
				took[n] = time.Since(began)
			}
		})
	}
	all.Wait()
	return took, errors.Join(append(errs, ctx.Err())...)
}
