package api_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// endless takes every message and keeps none.
type endless struct{ broker }

func (endless) Post(context.Context, string, task.NewMessage) (task.Posted, error) {
	return task.Posted{ID: "01kb3v0000000000000000000a"}, nil
}

// sink is a response that nobody reads.
type sink struct {
	head   http.Header
	status int
}

func (s *sink) Header() http.Header            { return s.head }
func (s *sink) Write(data []byte) (int, error) { return len(data), nil }
func (s *sink) WriteHeader(status int)         { s.status = status }

// body is a reader that can be read again.
type body struct{ bytes.Reader }

func (*body) Close() error { return nil }

// message512 has 512 bytes and fits what loader takes.
var message512 = `{"url":"http://example.org/` + strings.Repeat("page/", 94) + `","depth":123456}`

// BenchmarkPost is what one post of 512 bytes costs between the connection and the broker; run it with -cpu 1.
func BenchmarkPost(b *testing.B) {
	for _, queue := range []string{"urls", "pages"} { // with a schema, and without
		b.Run(queue, func(b *testing.B) {
			l := apitest.Start(b, "", func(c *api.Config) { c.Queues = endless{c.Queues} })
			h := l.API.IngressHandler()
			if queue != "urls" {
				h = l.API.Handler()
			}
			req := httptest.NewRequest("POST", "http://127.0.0.1/v1/queues/"+queue+"/messages", nil)
			req.Header.Set("Authorization", "Bearer "+apitest.Token)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Idempotency-Key", "order-4711")
			var in body
			w := &sink{}
			b.ReportAllocs()
			for b.Loop() {
				in.Reset([]byte(message512))
				req.Body, req.ContentLength = &in, int64(len(message512))
				w.head = http.Header{}
				h.ServeHTTP(w, req)
				if w.status != 202 {
					b.Fatal(w.status)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "posts/s")
		})
	}
}
