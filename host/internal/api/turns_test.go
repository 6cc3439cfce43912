package api

import (
	"context"
	"errors"
	"net/http"
	"testing"
)

// asker is a request by way of a port, or of the Unix socket.
func asker(ctx context.Context, unix bool) *request {
	ctx = context.WithValue(ctx, peerKey{}, peer{unix: unix})
	return &request{Request: (&http.Request{}).WithContext(ctx)}
}

func TestWhoOnlyReadsOverAPortWaitsForHisTurn(t *testing.T) {
	t.Parallel()
	d := &door{turns: make(slots, 1)}
	list, stream, waits, post := route{method: "GET"}, route{method: "GET", stream: true}, route{method: "GET", params: "wait until"}, route{method: "POST"}
	first := asker(t.Context(), false)
	if err := d.queueUp(list, first); err != nil {
		t.Fatal(err)
	}
	for _, row := range []route{stream, waits, post} {
		if err := d.queueUp(row, asker(t.Context(), false)); err != nil {
			t.Errorf("%+v waits for a turn: %v", row, err)
		}
	}
	if err := d.queueUp(list, asker(t.Context(), true)); err != nil {
		t.Errorf("who is on the socket waits for who is at a port: %v", err)
	}
	gone, leave := context.WithCancelCause(t.Context())
	why := errors.New("gone")
	leave(why)
	if err := d.queueUp(list, asker(gone, false)); !errors.Is(err, why) {
		t.Errorf("%v; want that the second waits until he goes", err)
	}
	first.yield()
	first.yield() // as the answer is sent, and when the handler ends
	if err := d.queueUp(list, asker(t.Context(), false)); err != nil {
		t.Errorf("after the first had his turn: %v", err)
	}
}
