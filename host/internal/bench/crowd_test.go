package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestACrowdCountsWhatItIsTold(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer secret":
			http.Error(w, "", http.StatusUnauthorized)
		case r.URL.Path == "/v1/events":
			http.Error(w, "", http.StatusTooManyRequests)
		case asked.Add(1) == 20:
			leave()
		}
	}))
	defer server.Close()
	c := &crowd{addr: strings.TrimPrefix(server.URL, "http://"), token: "secret"}
	c.come(ctx, 5, time.Minute)
	if got := c.tally(); got.Accepted < 10 || got.Refused != 0 || got.Streams != 0 || got.Why != "" {
		t.Error(got)
	}
	server.Close()
	conn, _ := c.dial(t.Context())
	if conn != nil {
		t.Error("it is connected to nobody")
	}
	if got := c.tally().String(); !strings.Contains(got, "could not connect: ") || !strings.Contains(got, "refused") {
		t.Error(got)
	}
}
