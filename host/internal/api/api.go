package api

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Config is what an API needs. Every field without a default must be set.
type Config struct {
	Fleet   Fleet
	Host    Host
	Library task.Library
	Feed    Feed
	Replay  Replay
	Logs    Logs
	Plugins Plugins
	Queues  Queues  // nil: there are none
	Token   Token   // of TCP callers; the zero Token lets none in
	Produce []Token // of TCP callers who post messages and do nothing else
	Page    Page    // nil: there is none
	Log     hclog.Logger
	Now     func() time.Time // time.Now

	MaxRequests int // at a time; 512. The ingress has as many of its own
	MaxStreams  int // at a time, of them; 64
}

// API is the admin API of one host. Make it with New.
type API struct {
	Config
	admin   *door
	ingress *door
	origin  *http.CrossOriginProtection
	streams slots
	batches slots
	keys    *keys
	intakes atomic.Pointer[intakes]
	closing context.Context // ends when the API is to end: it cuts streams and waits
	end     context.CancelCauseFunc
}

var errClosing = errors.New("the host is shutting down")

// New makes an API. It serves nothing yet: see Handler and Serve.
func New(c Config) *API {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = hclog.NewNullLogger()
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = 512
	}
	if c.MaxStreams == 0 {
		c.MaxStreams = 64
	}
	if c.Queues == nil {
		c.Queues = noQueues{}
	}
	a := &API{
		Config: c, origin: http.NewCrossOriginProtection(), streams: make(slots, c.MaxStreams), batches: make(slots, maxBatches),
		keys: newKeys(c.Now),
	}
	a.closing, a.end = context.WithCancelCause(context.Background())
	a.admin, a.ingress = a.newDoor(a.withPage(routes)), a.newDoor(ingressRoutes)
	return a
}

// Close ends streams and waits. Requests that come later are refused.
func (a *API) Close() { a.end(errClosing) }

// slots counts what may go on at a time.
type slots chan struct{}

func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

// wait takes a place once there is one.
func (s slots) wait(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s slots) give() { <-s }
