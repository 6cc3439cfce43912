package api

import (
	"net/http"
	"time"
)

// ping is how often a silent stream shows that it lives.
const ping = 15 * time.Second

// stream writes an answer part by part. A caller who does not take a part within writeTime is cut, so
// that a stuck reader holds nothing up.
type stream struct {
	w    http.ResponseWriter
	ctrl *http.ResponseController
}

// openStream begins an answer of the media type. The caller gives the stream's place back with done.
func (a *API) openStream(r *request, media string) (s *stream, done func(), err error) {
	if !a.streams.take() {
		return nil, nil, busy("%d streams are open", cap(a.streams))
	}
	r.w.Header().Set("Content-Type", media)
	r.w.Header().Set("X-Accel-Buffering", "no")
	r.status = http.StatusOK
	r.w.WriteHeader(http.StatusOK)
	s = &stream{w: r.w, ctrl: http.NewResponseController(r.w)}
	return s, a.streams.give, s.flush()
}

// write sends one part at once.
func (s *stream) write(data []byte) error {
	s.ctrl.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := s.w.Write(data); err != nil {
		return err
	}
	return s.flush()
}

func (s *stream) flush() error {
	s.ctrl.SetWriteDeadline(time.Now().Add(writeTime))
	return s.ctrl.Flush()
}
