package api

import (
	"context"
	"net/http"
	"time"
)

// ping is how often a silent stream shows that it lives.
const ping = 15 * time.Second

// stream writes an answer part by part. The connection cuts a caller who does not take a part in time.
type stream struct {
	w    http.ResponseWriter
	ctrl *http.ResponseController
}

// openStream begins an answer of the media type. The caller gives the stream's place back with done.
func (a *API) openStream(r *request, media string) (s *stream, done func(), err error) {
	done, err = a.place(r.who)
	if err != nil {
		return nil, nil, err
	}
	if r.Method == http.MethodHead { // the header is all that he wants; the connection is for his next request
		over, cancel := context.WithCancel(r.Context())
		cancel()
		r.Request = r.WithContext(over)
	}
	r.w.Header().Set("Content-Type", media)
	r.w.Header().Set("X-Accel-Buffering", "no")
	r.status = http.StatusOK
	r.w.WriteHeader(http.StatusOK)
	s = &stream{w: r.w, ctrl: http.NewResponseController(r.w)}
	return s, done, s.flush()
}

// place takes a place for a stream: one of all, and of the caller's own. Who is on a Unix socket has as
// many as there are.
func (a *API) place(who Identity) (give func(), err error) {
	if !a.streams.take() {
		return nil, busy("%d streams are open", cap(a.streams))
	}
	if who.Via == viaUnix {
		return a.streams.give, nil
	}
	if !a.shares.take(who.key(), a.OneStreams) {
		a.streams.give()
		return nil, busy("%s has %d streams open", who.Name, a.OneStreams)
	}
	return func() { a.shares.give(who.key()); a.streams.give() }, nil
}

// write sends one part at once; an empty one is none.
func (s *stream) write(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if _, err := s.w.Write(data); err != nil {
		return err
	}
	return s.flush()
}

func (s *stream) flush() error { return s.ctrl.Flush() }
