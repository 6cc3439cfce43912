package journal

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Kind is what an entry says.
type Kind string

const (
	Open  Kind = "open"  // the process is at work for its task
	Alive Kind = "alive" // it still is
	Close Kind = "close" // it is not any more

	Enter Kind = "enter" // a run was entered
	Leave Kind = "leave" // it is about to return

	Load   Kind = "load"   // a cursor was read: Cursor, in Scope; the reading began at Since
	Begin  Kind = "begin"  // a commit of Cursor and of messages called Names is about to be made
	Commit Kind = "commit" // it was acknowledged

	Handle Kind = "handle" // a handler was entered with the message Message of Queue, called Names[0]
	Settle Kind = "settle" // it is about to return without an error
)

// Entry is one line of a journal.
type Entry struct {
	At      int64    `json:"at"` // see Now
	Kind    Kind     `json:"kind"`
	Run     string   `json:"run,omitempty"`
	Attempt int      `json:"attempt,omitempty"` // of the run or the delivery
	Slot    int64    `json:"slot,omitempty"`    // unix nanoseconds
	Scope   string   `json:"scope,omitempty"`   // whose cursor: a task or a run
	Cursor  int64    `json:"cursor,omitempty"`
	Since   int64    `json:"since,omitempty"`
	Queue   string   `json:"queue,omitempty"`
	Message string   `json:"message,omitempty"`
	Names   []string `json:"names,omitempty"`
	Altered bool     `json:"altered,omitempty"` // the text is not the one that goes with the name
}

// Process is the journal of one process.
type Process struct {
	Task    string
	PID     int
	Entries []Entry // in the order in which they were written
}

// Now is the time since boot in nanoseconds, suspend included. It is the same clock in every process of the machine
// and never goes back.
func Now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(bootClock, &t); err != nil {
		return int64(time.Since(time.Unix(0, 0))) // no clock since boot: the wall clock has to do
	}
	return t.Nano()
}

// Value is what every message of the torture tests carries. Name says where it has its origin: a queue has one message
// of a name. Via differs for every try to make a message, so that no two tries give the same message by accident.
type Value struct {
	Name string `json:"name"`
	Text string `json:"text"`
	Via  string `json:"via,omitempty"`
}

// NewValue is the value with the name.
func NewValue(name string) Value { return Value{Name: name, Text: text(name)} }

// Altered reports whether the text is not the one that goes with the name.
func (v Value) Altered() bool { return v.Text != text(v.Name) }

// text is a text of some hundred bytes that goes with the name.
func text(name string) string {
	h := fnv.New64a()
	h.Write([]byte(name))
	return strings.Repeat(fmt.Sprintf("%016x", h.Sum64()), 4+int(h.Sum64()%60))
}

// Poison reports whether messages of this name are refused for good by whoever handles them first.
func Poison(name string) bool { return strings.HasPrefix(name, "poison-") }
