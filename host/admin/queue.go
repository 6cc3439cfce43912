package admin

import "encoding/json"

// Queue is one queue: what the configuration says of it and what is in it now.
type Queue struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Declared    bool            `json:"declared"` // false: the configuration does not name it any more
	Ingress     bool            `json:"ingress"`  // producers may post to it
	Depth       int             `json:"depth"`    // messages, waiting and in flight together
	Bytes       int64           `json:"bytes"`
	Ready       int             `json:"ready"`     // could be handed out now
	Delayed     int             `json:"delayed"`   // wait for their time
	InFlight    int             `json:"in_flight"` // with a consumer
	Dead        int             `json:"dead_letters"`
	Oldest      Time            `json:"oldest_at,omitzero"` // when the oldest message was posted
	OldestAge   *Seconds        `json:"oldest_age,omitempty"`
	Rates       QueueRates      `json:"rates"`
	Counts      QueueCounts     `json:"counts"`
	Bounds      QueueBounds     `json:"bounds"`
	Consumers   []QueueConsumer `json:"consumers"`
	Producers   []string        `json:"producers"`       // tasks with an output that is wired to it
	Takes       []Takes         `json:"takes,omitempty"` // what its consumers can read; only with one queue
}

// QueueRates are messages in a second, on the average of the last minute.
type QueueRates struct {
	In  float64 `json:"in"`  // posted
	Out float64 `json:"out"` // acknowledged
}

// QueueCounts counts since the start of the host.
type QueueCounts struct {
	Posted           uint64 `json:"posted"`
	Duplicates       uint64 `json:"duplicates"`
	Acknowledged     uint64 `json:"acknowledged"`
	FailedDeliveries uint64 `json:"failed_deliveries"`
	Dropped          uint64 `json:"dropped"`  // by overflow
	Rejected         uint64 `json:"rejected"` // by overflow
}

// QueueBounds is what the configuration allows a queue.
type QueueBounds struct {
	MaxMessages   int     `json:"max_messages"`
	MaxBytes      int64   `json:"max_bytes"`
	MaxDeliveries int     `json:"max_deliveries"`
	MaxAge        Seconds `json:"max_age,omitempty"`
	Overflow      string  `json:"overflow"` // reject, drop_oldest, block
	IDsFor        Seconds `json:"ids_for"`
	Backoff       Seconds `json:"backoff"` // before a message is handed out again
	MaxBackoff    Seconds `json:"max_backoff"`
	MaxDead       int     `json:"max_dead_letters"`
	DeadAge       Seconds `json:"dead_letter_age"`
}

// QueueConsumer is a live run that handles messages of a queue.
type QueueConsumer struct {
	Task     string `json:"task"`
	Run      string `json:"run"`
	InFlight int    `json:"in_flight"`
	Paused   bool   `json:"paused,omitempty"`
}

// Takes is what one consumer of a queue can read, as JSON Schema.
type Takes struct {
	Task    string          `json:"task"`
	Message json.RawMessage `json:"message"`
}

// Message is one message of a queue.
type Message struct {
	ID           string          `json:"id"`
	Key          string          `json:"key,omitempty"`
	Value        json.RawMessage `json:"value,omitempty"`
	Size         int             `json:"size"` // of Value in bytes
	Posted       Time            `json:"posted_at"`
	Source       string          `json:"source,omitempty"`        // "run <id>", "message <id>" or who posted it
	RedrivenFrom string          `json:"redriven_from,omitempty"` // id of the dead letter that it was
	Attempts     int             `json:"attempts"`
	Crashes      int             `json:"crashes,omitempty"` // of Attempts, those under which the process ended
	NotBefore    Time            `json:"not_before,omitzero"`
	LastError    string          `json:"last_error,omitempty"`
}

// DeadLetter is a message that was given up.
type DeadLetter struct {
	Message
	Reason string `json:"reason"` // failed, crashed, permanent, expired
	Died   Time   `json:"died_at"`
}

// Posted answers a post.
type Posted struct {
	ID        string `json:"id"`
	Duplicate bool   `json:"duplicate,omitempty"` // the same id with the same value was there already
}

// NewMessage is one message of a batch.
type NewMessage struct {
	ID    string          `json:"id,omitempty"` // remembered for the queue's ids_for; "" is none
	Key   string          `json:"key,omitempty"`
	Value json.RawMessage `json:"value"`
}

// BatchResult answers a batch, message by message.
type BatchResult struct {
	Items      []BatchItem `json:"items"`
	Accepted   int         `json:"accepted"`
	Duplicates int         `json:"duplicates"`
	Refused    int         `json:"refused"`
}

// BatchItem is what became of one message of a batch. Status is what a post of its own would have answered.
type BatchItem struct {
	ID        string   `json:"id,omitempty"`
	Status    int      `json:"status"`
	Duplicate bool     `json:"duplicate,omitempty"`
	Error     *Problem `json:"error,omitempty"`
}

// Redrive is the body of a redrive: either IDs or All.
type Redrive struct {
	IDs []string `json:"ids,omitempty"`
	All bool     `json:"all,omitempty"`
}

// Redriven names the dead letters that are messages again. Error says why others are not.
type Redriven struct {
	Moved []string `json:"moved"`
	Error *Problem `json:"error,omitempty"`
}

// Purge is the body of a purge. Confirm must be the queue's name.
type Purge struct {
	Dead    bool   `json:"dead_letters"` // these in place of the messages
	Confirm string `json:"confirm"`
}

// Purged says how many were deleted.
type Purged struct {
	Purged int `json:"purged"`
}
