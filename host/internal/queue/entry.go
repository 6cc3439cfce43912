package queue

import (
	"encoding/json"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// place says where a message is.
type place uint8

const (
	gone     place = iota
	fresh          // waits, and was never handed out: found through line.next
	ready          // waits, in line.ready
	suspect        // waits to be handed out alone, in line.suspects
	delayed        // waits for its time, in line.delayed
	behind         // waits for another one of its key
	held           // with a consumer
	settling       // was with a consumer; what became of it is being written
	leaving        // waited; that it goes is being written
)

// waits reports whether a message is in nobody's hands.
func (p place) waits() bool { return p >= fresh && p <= behind }

// entry is what memory holds of a message. Queues may be long, so it is small: what few messages have is in past.
type entry struct {
	line     *line
	seq      uint64
	posted   int64 // unix nanoseconds
	body     json.RawMessage
	id       string
	key      string
	lane     string // messages that share one are handled one at a time; "" is none
	source   string
	past     *past
	size     int32
	attempts int32
	at       int32 // index in the pile of its place
	ageAt    int32 // index in line.ages
	place    place
	laned    bool // lane is known
	unsaved  bool // what is known of it is in the list of updates to write
}

// past is what is known of a message that was tried before, or is part of a trace.
type past struct {
	notBefore    int64 // unix nanoseconds
	crashes      int32
	saved        int32 // attempts that the store knows
	lastError    string
	redrivenFrom string
	trace        string // W3C trace context that it was posted in
}

func newEntry(l *line, m *task.Message) *entry {
	e := &entry{
		line: l, seq: m.Seq, posted: m.Posted.UnixNano(), id: m.ID, key: m.Key, source: m.Source,
		size: int32(m.Size), attempts: int32(m.Attempts), at: nowhere, ageAt: nowhere,
	}
	if m.Attempts > 0 || m.Crashes > 0 || m.LastError != "" || m.RedrivenFrom != "" || m.TraceParent != "" || !m.NotBefore.IsZero() {
		e.past = &past{crashes: int32(m.Crashes), saved: e.attempts, lastError: m.LastError, redrivenFrom: m.RedrivenFrom, trace: m.TraceParent}
		if !m.NotBefore.IsZero() {
			e.past.notBefore = m.NotBefore.UnixNano()
		}
	}
	return e
}

// history is the entry's past, to be written to.
func (e *entry) history() *past {
	if e.past == nil {
		e.past = &past{}
	}
	return e.past
}

func (e *entry) crashes() int32 {
	if e.past == nil {
		return 0
	}
	return e.past.crashes
}

func (e *entry) notBefore() int64 {
	if e.past == nil {
		return 0
	}
	return e.past.notBefore
}

func (e *entry) trace() string {
	if e.past == nil {
		return ""
	}
	return e.past.trace
}

func (e *entry) saved() int32 {
	if e.past == nil {
		return 0
	}
	return e.past.saved
}

// message is the entry as everybody else knows it, with the body as far as memory holds it.
func (e *entry) message() task.Message {
	m := task.Message{
		Seq: e.seq, Queue: e.line.spec.Name, ID: e.id, Key: e.key, Body: e.body, Posted: time.Unix(0, e.posted).UTC(),
		Source: e.source, Attempts: int(e.attempts), Size: int(e.size),
	}
	if p := e.past; p != nil {
		m.Crashes, m.LastError, m.RedrivenFrom, m.TraceParent = int(p.crashes), p.lastError, p.redrivenFrom, p.trace
		if p.notBefore != 0 {
			m.NotBefore = time.Unix(0, p.notBefore).UTC()
		}
	}
	return m
}

// update is what the store is to know of the entry.
func (e *entry) update() task.MessageUpdate {
	m := e.message()
	return task.MessageUpdate{Seq: e.seq, Attempts: m.Attempts, Crashes: m.Crashes, NotBefore: m.NotBefore, LastError: m.LastError}
}
