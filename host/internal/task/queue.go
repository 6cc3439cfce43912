package task

import (
	"context"
	"encoding/json"
	"time"
)

// Queue is one queue as the configuration declares it, with every default applied.
type Queue struct {
	Name          string        `json:"name"`
	Description   string        `json:"description,omitempty"`
	MaxMessages   int           `json:"max_messages"`      // waiting and in flight together
	MaxBytes      int64         `json:"max_bytes"`         // of their bodies
	MaxDeliveries int           `json:"max_deliveries"`    // then a message is a dead letter
	MaxAge        time.Duration `json:"max_age,omitempty"` // an older message that waits is a dead letter; 0 is no bound
	Overflow      Overflow      `json:"overflow"`
	IDsFor        time.Duration `json:"ids_for"` // how long ids given by producers are remembered
	Ingress       bool          `json:"ingress,omitempty"`
	Redeliver     Redeliver     `json:"redeliver"`
	DeadLetters   DeadLetters   `json:"dead_letters"`
}

// Overflow says what happens to a message that comes to a full queue.
type Overflow string

const (
	OverflowReject     Overflow = "reject"      // it is refused
	OverflowDropOldest Overflow = "drop_oldest" // the oldest that is in nobody's hands makes room
	OverflowBlock      Overflow = "block"       // its producer waits; over HTTP as long as the request does, then refused
)

// Redeliver says when a message whose handler failed is handed out again: after Backoff, doubling up to MaxBackoff.
type Redeliver struct {
	Backoff    time.Duration `json:"backoff"`
	MaxBackoff time.Duration `json:"max_backoff"`
}

// DeadLetters bounds what is kept of a queue's dead letters; the oldest are forgotten first.
type DeadLetters struct {
	Max int           `json:"max"`
	Age time.Duration `json:"age"`
}

// Consume makes a continuous task the consumer of a queue.
type Consume struct {
	Queue       string        `json:"queue"`
	Concurrency int           `json:"concurrency"` // handlers at work at a time; with Batch: batches
	Rate        int           `json:"rate,omitempty"`
	Per         time.Duration `json:"per,omitempty"`      // Rate messages per this much; 0 is no bound
	OrderBy     string        `json:"order_by,omitempty"` // a field of the message, or OrderByKey
	Batch       Batch         `json:"batch,omitzero"`
}

// OrderByKey orders by the key that producers gave to their messages.
const OrderByKey = "@key"

// Batch collects messages for one call of the handler: up to Size, the first waiting no longer than Wait. Size 0 is no batch.
type Batch struct {
	Size int           `json:"size,omitempty"`
	Wait time.Duration `json:"wait,omitempty"`
}

// MaxMessageBytes bounds the body of one message, so that it fits into a frame beside what is told of it.
const MaxMessageBytes = 1<<20 - 64<<10

// Message is one message of a queue.
type Message struct {
	Seq          uint64          `json:"seq"` // place in the queue; given by the store, rises by commit
	Queue        string          `json:"queue"`
	ID           string          `json:"id"` // unique in its queue
	Key          string          `json:"key,omitempty"`
	Body         json.RawMessage `json:"body,omitempty"`
	Posted       time.Time       `json:"posted_at"`
	Source       string          `json:"source,omitempty"`        // "run <id>", "message <id>" or the actor that posted it
	RedrivenFrom string          `json:"redriven_from,omitempty"` // id of the dead letter that it was
	Attempts     int             `json:"attempts,omitempty"`      // handlers that were entered with it and did not finish
	Crashes      int             `json:"crashes,omitempty"`       // of Attempts, those under which the process ended
	NotBefore    time.Time       `json:"not_before,omitzero"`     // of its next delivery
	LastError    string          `json:"last_error,omitempty"`
	Size         int             `json:"size"`                  // of Body in bytes, also where Body is left out
	TraceParent  string          `json:"traceparent,omitempty"` // W3C trace context that it was posted in
}

// DeadReason says why a message was given up.
type DeadReason string

const (
	DeadFailed    DeadReason = "failed"    // max_deliveries handlers failed with it
	DeadCrashed   DeadReason = "crashed"   // likewise, and the last ended its process
	DeadPermanent DeadReason = "permanent" // its handler said that trying again cannot help
	DeadExpired   DeadReason = "expired"   // it waited longer than max_age
)

// DeadLetter is a message that was given up. Its Seq is a new one, given when it died.
type DeadLetter struct {
	Message
	Reason DeadReason `json:"reason"`
	Died   time.Time  `json:"died_at"`
}

// Put adds a message. With RememberFor its id is remembered that long: the same id with the same Digest is
// then a duplicate, which is not added; with another one it is refused with CodeIDReused.
type Put struct {
	Message     *Message // Seq is set by the store
	RememberFor time.Duration
	Digest      []byte // of the body
	Duplicate   bool   // set by the store: it was there already
}

// MessageUpdate changes what is known of a message that stays.
type MessageUpdate struct {
	Seq       uint64
	Attempts  int
	Crashes   int
	NotBefore time.Time
	LastError string
}

// Burial makes a message a dead letter.
type Burial struct {
	MessageUpdate
	Reason DeadReason
	At     time.Time
}

// QueueWrite is one commit that touches queues: all of it or nothing. Parts that name a message which is
// not there (any more) do nothing.
type QueueWrite struct {
	Task    string // whose values Ops are
	Run     string // one that has ended may neither save nor put: refused; settling goes on
	Ops     []Op   // save, save_run and delete as in Values.Commit; no emits
	Put     []Put
	Drop    []Drop
	Delete  []uint64 // by Seq: acknowledged or purged
	Update  []MessageUpdate
	Bury    []Burial
	Exhume  []uint64 // dead letters to delete, by Seq
	Settles bool     // Ops and Put are those of handlers whose messages it deletes: taken also when Run has ended meanwhile
	Waiting bool     // somebody waits for it: it is not held back to travel with others
	// Done is called once, when the write is on the disk or was refused, from one goroutine and in the order in
	// which writes took effect. It must not block and not call the store.
	Done func(err error)
}

// Drop is what makes room in a queue for messages of Put. It stays when all of those turn out to be duplicates.
type Drop struct {
	Queue string
	Seqs  []uint64
}

// Dropped are the messages that the write drops, by Seq, once it is known which of Put are duplicates.
func (w *QueueWrite) Dropped(duplicate func(put int) bool) (seqs []uint64) {
	for _, d := range w.Drop {
		for i := range w.Put {
			if w.Put[i].Message.Queue == d.Queue && !duplicate(i) {
				seqs = append(seqs, d.Seqs...)
				break
			}
		}
	}
	return seqs
}

// CodeIDReused is the code of the refusal of an id that was used for another body.
const CodeIDReused = "id_reused"

// QueueStore is what is durable of queues. Implemented by store.
type QueueStore interface {
	// WriteQueues applies w. It does not wait: see QueueWrite.Done.
	WriteQueues(w *QueueWrite)
	// Backlog calls each with every message that is there, by Seq, without Body. It is for the start of the host.
	Backlog(ctx context.Context, each func(Message) error) error
	// Bodies returns the bodies of messages, in the order of seqs; nil for one that is not there any more. When some
	// cannot be read it returns the others beside the error.
	Bodies(ctx context.Context, seqs []uint64) ([]json.RawMessage, error)
	// DeadLetters returns dead letters with their bodies, the newest first.
	DeadLetters(ctx context.Context, q DeadQuery) (Page[DeadLetter], error)
	// DeadCounts returns how many dead letters each queue has.
	DeadCounts(ctx context.Context) (map[string]int, error)
	// SetQueue bounds what is kept of a queue's dead letters from now on.
	SetQueue(name string, d DeadLetters)
}

// DeadQuery selects dead letters of one queue.
type DeadQuery struct {
	Queue  string
	IDs    []string // exact ids; empty is all
	Limit  int      // 1..500; 0 is 100
	Cursor string   // from an earlier page
}

// Queues is how work reaches queues, and messages reach work. Implemented by queue.Broker.
type Queues interface {
	// Commit applies a commit of author code, emits included; it is durable when it returns. While a queue with
	// overflow "block" is full it waits, no longer than ctx.
	Commit(ctx context.Context, c EmitCommit) error
	// Consume begins to hand out messages of def's queue to one process. deliver must not block; it is called from
	// any goroutine, one call at a time.
	Consume(def *Definition, run string, deliver func([]Delivery)) Consumer
}

// EmitCommit is a commit with emits. Outputs wires the names of outputs to queues.
type EmitCommit struct {
	Task    string
	Run     string
	Outputs map[string]string
	Ops     []Op

	TraceParent string // of emits that have none
}

// Consumer is one process that handles messages. Its methods do not block and are safe for concurrent use.
type Consumer interface {
	// Window says how many deliveries the process takes that it has not settled; 0, as at first, is none.
	Window(n int)
	// Entered says that handlers were entered with these deliveries: their attempts count from here.
	Entered(tags []uint64)
	// Handled settles deliveries: what succeeded is acknowledged in one commit with ops. A commit that is refused
	// fails those that succeeded, with the refusal.
	Handled(h Handled)
	// Close ends the consumer: deliveries that were not settled go back, those entered with their attempt counted. crash
	// says how the process ended when it did so by itself, and "" when it was ended or the run has returned.
	Close(crash string)
}

// Delivery is one message in the hands of a process.
type Delivery struct {
	Tag     uint64 // names it towards the consumer
	Message Message
	Attempt int  // from 1
	Alone   bool // nothing else is delivered beside it: a process ended under it before
}

// Handled is what became of one message, or of those of a batch.
type Handled struct {
	Messages []HandledMessage
	Ops      []Op // of the handler; applied when at least one message succeeded
}

// HandledMessage is what became of one delivery. StatusInterrupted gives it back without counting the attempt,
// StatusSkipped acknowledges it.
type HandledMessage struct {
	Tag        uint64
	Status     RunStatus
	Message    string
	Stack      string
	RetryAfter time.Duration
}

// Gate lets deliveries pass the groups of a task. Implemented by supervisor.Fleet.
type Gate interface {
	// Join asks for a place in all of groups; through is called once when the ticket has it, from any goroutine,
	// and must not block. Tickets of callers never meet those of runs.
	Join(ticket uint64, taskName, holder string, groups []string, through func())
	// Leave gives the place back, or stops waiting for it.
	Leave(ticket uint64)
}

// QueueStatus is what a queue looks like now.
type QueueStatus struct {
	Queue
	Declared  bool           `json:"declared"`          // false: the configuration does not name it any more
	Messages  int            `json:"messages"`          // waiting and in flight together
	Bytes     int64          `json:"bytes"`             //
	Ready     int            `json:"ready"`             // could be handed out now
	Delayed   int            `json:"delayed"`           // wait for their time
	InFlight  int            `json:"in_flight"`         // with a process
	Dead      int            `json:"dead_letters"`      //
	Oldest    time.Time      `json:"oldest,omitzero"`   // when the oldest message was posted
	In        float64        `json:"in"`                // posted in a second, on the average of the last minute
	Out       float64        `json:"out"`               // acknowledged, likewise
	Posted    uint64         `json:"posted"`            // counts since the start of the host, here and below
	Duplicate uint64         `json:"duplicates"`        //
	Acked     uint64         `json:"acknowledged"`      //
	Failed    uint64         `json:"failed_deliveries"` //
	Dropped   uint64         `json:"dropped"`           // by overflow
	Rejected  uint64         `json:"rejected"`          // by overflow
	Buried    uint64         `json:"dead_lettered"`     // became dead letters
	Consumers []ConsumerView `json:"consumers,omitempty"`
	Producers []string       `json:"producers,omitempty"` // tasks with an output that is wired to it
}

// ConsumerView is a process that handles messages of a queue.
type ConsumerView struct {
	Task     string `json:"task"`
	Run      string `json:"run"`
	InFlight int    `json:"in_flight"`
	Paused   bool   `json:"paused,omitempty"`
}

// NewMessage is a message that somebody posts.
type NewMessage struct {
	ID     string // given by the producer, and remembered for the queue's ids_for; "" is none
	Key    string
	Body   json.RawMessage
	Source string
	Clean  bool // Body is one JSON value without space around its parts: whoever posts has looked

	TraceParent string // W3C trace context of who posts it
}

// Posted is what became of a posted message, durably.
type Posted struct {
	ID        string
	Duplicate bool // the same id with the same body was there already
}

// The codes of refusals that concern queues.
const (
	CodeQueueUnknown  = "queue_unknown"
	CodeQueueFull     = "queue_full"
	CodeMessageTooBig = "message_too_large"
	CodeDeadUnknown   = "dead_letter_unknown"
)
