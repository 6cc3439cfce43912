package store

import (
	"io"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Store is the whole contract. Its methods are safe for concurrent use; what one
// goroutine writes is kept in its order.
type Store interface {
	task.Journal
	task.Values
	task.Library
	task.QueueStore
	Events
	// SetKeep bounds what is remembered of a task from now on; without it Options.Keep holds.
	SetKeep(taskName string, k task.Keep)
	io.Closer
}

// Events is the replay side of the feed.
type Events interface {
	// EventsSince returns the events after seq, oldest first. It reports false when events
	// after seq are no longer known, or seq was never given out: the reader must read the
	// whole anew. To miss nothing, subscribe to the feed first, replay then, and pass over
	// what the feed repeats.
	EventsSince(seq uint64) ([]task.Event, bool)
	// EventsFrom returns the events that are not older than at, oldest first. It reports false when
	// some of them are no longer known.
	EventsFrom(at time.Time) ([]task.Event, bool)
	// LastEvent is the sequence of the newest event.
	LastEvent() uint64
}

// Options of a store. The zero value of a field is its default.
type Options struct {
	Keep      task.Keep          // of tasks without SetKeep; zero fields are no bound
	KeepTotal int                // ended runs in all, and slot records in all; 100,000
	KeepBytes int64              // of ended runs in all, inputs and results included; 256 MiB, 10 GiB on a disk
	Ring      int                // events that can be replayed; 16,384
	Reserve   int64              // bytes of the disk that are left free; 64 MiB, an eighth of a small file system; negative is none
	Room      Room               // looks at the disk
	Publish   func([]task.Event) // takes committed events in order; it must not block, call the store or keep the slice
	Now       func() time.Time   // time.Now
	// Committed takes how long a transaction took and how many writes it carried, or why it failed. The writer calls
	// it: it must be quick and not call the store. nil: nobody wants to know.
	Committed func(took time.Duration, writes int, err error)
	Log       hclog.Logger // what an operator should know; nowhere
}

// Room tells how many bytes of the file system that a directory lies on can still be written, and its size.
type Room func(dir string) (free, size int64, err error)

func (o Options) withDefaults() Options {
	if o.KeepTotal <= 0 {
		o.KeepTotal = 100_000
	}
	if o.KeepBytes <= 0 {
		o.KeepBytes = 256 << 20
	}
	if o.Ring <= 0 {
		o.Ring = 16 << 10
	}
	if o.Room == nil {
		o.Room = statfs
	}
	if o.Publish == nil {
		o.Publish = func([]task.Event) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Committed == nil {
		o.Committed = func(time.Duration, int, error) {}
	}
	if o.Log == nil {
		o.Log = hclog.NewNullLogger()
	}
	return o
}
