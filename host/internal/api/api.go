package api

import (
	"context"
	"errors"
	"net/http"
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
	Token   Token // of TCP callers; the zero Token lets none in
	Log     hclog.Logger
	Now     func() time.Time // time.Now

	MaxRequests int // at a time; 512
	MaxStreams  int // at a time, of them; 64
}

// API is the admin API of one host. Make it with New.
type API struct {
	Config
	mux      *http.ServeMux
	table    map[string]route // by the pattern of mux
	origin   *http.CrossOriginProtection
	requests slots
	streams  slots
	keys     *keys
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
	a := &API{
		Config: c, mux: http.NewServeMux(), table: map[string]route{}, origin: http.NewCrossOriginProtection(),
		requests: make(slots, c.MaxRequests), streams: make(slots, c.MaxStreams), keys: newKeys(c.Now),
	}
	a.closing, a.end = context.WithCancelCause(context.Background())
	for _, r := range routes {
		a.table[r.pattern()] = r
		a.mux.HandleFunc(r.pattern(), func(w http.ResponseWriter, req *http.Request) { a.handle(r, w, req) })
	}
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

func (s slots) give() { <-s }
