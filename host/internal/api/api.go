package api

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/access"
	"github.com/taskhost/taskhost/host/internal/audit"
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
	Configs Configs
	Queues  Queues  // nil: there are none
	Notices Notices // nil: nobody is told
	Meter   Meter   // nil: nothing is counted
	Usage   Usage   // nil: nobody knows what processes take
	Health  Health  // nil: who answers is alive
	Tracer  Tracer  // nil: requests have no spans
	Token   Token   // of an admin; the zero Token lets none in
	Produce []Token // of callers who post messages and do nothing else
	Tokens  *access.Book
	Audit   *audit.Log // nil: nothing is written down
	Page    Page       // nil: there is none
	Log     hclog.Logger
	Now     func() time.Time // time.Now

	MaxRequests int // at a time; 512. The ingress has as many of its own
	MaxStreams  int // at a time, of them; 64
	OneStreams  int // of one caller who is not on a Unix socket; 32

	Rate        Rate // of the requests of one caller
	IngressRate Rate
	Failures    Rate // of the wrong tokens that come from one place

	HeaderTime time.Duration // to send a request's header; 5 s
	BodyTime   time.Duration // to send its body; 30 s
}

// API is the admin API of one host. Make it with New.
type API struct {
	Config
	admin    *door
	ingress  *door
	origin   *http.CrossOriginProtection
	streams  slots
	shares   shares // of the streams
	batches  slots
	failures *buckets
	keys     *keys
	lists    lists
	frames   frames
	intakes  atomic.Pointer[intakes]
	closing  context.Context // ends when the API is to end: it cuts streams and waits
	end      context.CancelCauseFunc
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
	if c.OneStreams == 0 {
		c.OneStreams = 32
	}
	if c.HeaderTime == 0 {
		c.HeaderTime = 5 * time.Second
	}
	if c.BodyTime == 0 {
		c.BodyTime = 30 * time.Second
	}
	if c.Queues == nil {
		c.Queues = noQueues{}
	}
	a := &API{
		Config: c, origin: http.NewCrossOriginProtection(), streams: make(slots, c.MaxStreams), batches: make(slots, maxBatches),
		keys: newKeys(c.Now, c.Library.Runs), failures: newBuckets(c.Failures),
	}
	a.closing, a.end = context.WithCancelCause(context.Background())
	a.admin, a.ingress = a.newDoor(a.withPage(routes), c.Rate), a.newDoor(ingressRoutes, c.IngressRate)
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
