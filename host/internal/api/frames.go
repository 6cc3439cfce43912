package api

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/taskhost/taskhost/host/internal/task"
)

// frames remember how the last events look on the wire, so that what many read is encoded once.
type frames struct {
	mu   sync.Mutex
	held [256]frame // by the event's number
}

type frame struct {
	event task.Event
	text  []byte // nobody writes into it
}

// of is the event as a server-sent event.
func (f *frames) of(e task.Event) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := &f.held[e.Seq%uint64(len(f.held))]
	if held.text == nil || held.event != e {
		*held = frame{e, frameOf(e)}
	}
	return held.text
}

func frameOf(e task.Event) []byte {
	data, err := json.Marshal(eventOf(e))
	if err != nil { // numbers, times and texts: it cannot be
		return nil
	}
	return fmt.Appendf(nil, "id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Topic, data)
}

// placeFrame tells a caller where the stream stands before its first event, so that he can go on from there when it
// breaks. It is no event: browsers keep the id and show nothing.
func placeFrame(seq uint64) []byte { return fmt.Appendf(nil, "id: %d\n\n", seq) }
