package task

import "time"

// Event says that something changed. Events are small: who wants the whole reads the store.
type Event struct {
	Seq   uint64    `json:"seq"` // given by the store; rises by commit
	At    time.Time `json:"at"`
	Topic string    `json:"topic"` // task, run, slot, state, queue, config, host
	Kind  string    `json:"kind"`  // state, started, ended, stage, progress, published, …
	Task  string    `json:"task,omitempty"`
	Run   string    `json:"run,omitempty"`
	Text  string    `json:"text,omitempty"`
}
