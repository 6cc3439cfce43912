package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// closeTime is how long requests in hand may take when the API ends.
const closeTime = 5 * time.Second

// Serve answers on the listeners until ctx ends, then ends streams and waits, lets requests in hand
// finish for a few seconds, and returns. It closes the listeners. A listener that breaks ends
// all of it, with its error.
func (a *API) Serve(ctx context.Context, listeners ...net.Listener) error {
	defer a.Close()
	return a.admin.serve(ctx, listeners)
}

// ServeIngress serves the ingress as Serve does the whole, and ends it alone.
func (a *API) ServeIngress(ctx context.Context, listeners ...net.Listener) error {
	return a.ingress.serve(ctx, listeners)
}

func (d *door) serve(ctx context.Context, listeners []net.Listener) error {
	server := &http.Server{
		Handler:           d,
		ReadHeaderTimeout: d.HeaderTime,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       connContext,
		ErrorLog:          d.Log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
	}
	broken := make(chan error, len(listeners))
	var serving sync.WaitGroup
	for _, l := range listeners {
		serving.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				broken <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-broken:
	}
	d.end(errClosing)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	if server.Shutdown(grace) != nil {
		server.Close()
	}
	serving.Wait()
	return err
}
