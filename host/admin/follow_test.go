package admin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ends is a host whose streams of events end after a few, and that goes on where a caller says that he was.
type ends struct {
	mu    sync.Mutex
	asked []string // Last-Event-ID of each request
	down  int      // so many requests find it not ready, after the first
}

func (h *ends) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asked) > 0 && h.down > 0 {
		h.down--
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"status":503,"code":"shutting_down","detail":"the host is shutting down"}`)
		return
	}
	h.asked = append(h.asked, r.Header.Get("Last-Event-ID"))
	w.Header().Set("Content-Type", "text/event-stream")
	n := 2 * len(h.asked)
	for _, seq := range []int{n - 1, n} {
		fmt.Fprintf(w, "id: %d\nevent: run\ndata: {\"seq\":%d,\"topic\":\"run\",\"at\":\"2026-11-28T04:00:00Z\"}\n\n", seq, seq)
	}
}

func TestWhoFollowsGoesOnAfterTheLastEvent(t *testing.T) {
	t.Parallel()
	h := &ends{down: 1}
	server := httptest.NewServer(h)
	defer server.Close()
	c, err := New(strings.TrimPrefix(server.URL, "http://"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var seen []uint64
	var lost []string
	for e, err := range c.Follow(t.Context(), EventQuery{Topic: "run"}, func(err error) { lost = append(lost, err.Error()) }) {
		if err != nil {
			t.Fatal(err)
		}
		if seen = append(seen, e.Seq); len(seen) == 5 {
			break
		}
	}
	if !slices.Equal(seen, []uint64{1, 2, 3, 4, 5}) {
		t.Errorf("saw %v, want 1 to 5", seen)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.asked, []string{"", "2", "4"}) {
		t.Errorf("asked after %q", h.asked)
	}
	if len(lost) != 3 {
		t.Errorf("told %q, want the two ends and the host that was not ready", lost)
	}
}

func TestWhoFollowedBeforeTheFirstEventMissesNone(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Header.Get("Last-Event-ID"))
		w.Header().Set("Content-Type", "text/event-stream")
		if len(asked) == 1 { // the host dies in silence
			fmt.Fprint(w, "id: 7\n\n: ping\n\n")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, "id: 8\nevent: run\ndata: {\"seq\":8,\"topic\":\"run\",\"at\":\"2026-11-28T04:00:00Z\"}\n\n")
	}))
	defer server.Close()
	c, err := New(strings.TrimPrefix(server.URL, "http://"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	lost := 0
	for e, err := range c.Follow(t.Context(), EventQuery{Topic: "run"}, func(error) { lost++ }) {
		if err != nil || e.Seq != 8 {
			t.Fatalf("%+v, %v", e, err)
		}
		break
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(asked, []string{"", "7"}) || lost != 1 {
		t.Errorf("asked after %q, told %d times; want after the place where the stream began, and once", asked, lost)
	}
}

func TestWhoWantsOnlyWhatIsKnownDoesNotAskAgain(t *testing.T) {
	t.Parallel()
	h := &ends{}
	server := httptest.NewServer(h)
	defer server.Close()
	c, err := New(strings.TrimPrefix(server.URL, "http://"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n := 0
	for _, err := range c.Follow(t.Context(), EventQuery{After: 7, Known: true}, func(err error) { t.Error(err) }) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != 2 || len(h.asked) != 1 {
		t.Errorf("%d events of %d requests, want 2 of 1", n, len(h.asked))
	}
}

func TestWhoIsRefusedDoesNotAskAgain(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"status":401,"code":"token_wrong","detail":"the token is not the host's"}`)
	}))
	defer server.Close()
	c, err := New(strings.TrimPrefix(server.URL, "http://"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got error
	for _, err := range c.Follow(t.Context(), EventQuery{After: 7}, nil) {
		got = err
	}
	if got == nil || asked != 1 {
		t.Errorf("%v after %d requests, want a refusal after 1", got, asked)
	}
}
