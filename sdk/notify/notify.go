package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
)

// Env names the variable with the path of the socket.
const Env = "TASKHOST_NOTIFY"

// ProgramEnv names the variable with the path of the host's own program, which is the command line, too: so a script finds
// it whatever its PATH.
const ProgramEnv = "TASKHOST_BIN"

const (
	// MaxLine bounds a request and an answer, in bytes.
	MaxLine = 1 << 20
	// MaxOps bounds what one request saves and emits.
	MaxOps = 1000
)

// Verb says what a request is for.
type Verb string

// The verbs, and the fields of a request that each reads.
const (
	Ready    Verb = "ready"    // Note
	Beat     Verb = "beat"     // a sign of life
	Status   Verb = "status"   // Note
	Progress Verb = "progress" // Done, Total, Note
	State    Verb = "state"    // Key, Value
	Extend   Verb = "extend"   // Seconds
	Commit   Verb = "commit"   // Ops, Now
	Load     Verb = "load"     // Key, Run
)

// Request is one thing that a command says or asks.
type Request struct {
	Verb    Verb            `json:"verb"`
	Note    string          `json:"note,omitempty"`
	Done    int64           `json:"done,omitempty"`
	Total   int64           `json:"total,omitempty"` // 0 is unknown
	Key     string          `json:"key,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Run     bool            `json:"run,omitempty"`     // a value of this run, not of the task
	Seconds float64         `json:"seconds,omitempty"` // more time
	Ops     []Op            `json:"ops,omitempty"`     // all or none
	Now     bool            `json:"now,omitempty"`     // at once, whatever becomes of the command
}

// Op is a message for an output, or without one a value that is saved or deleted.
type Op struct {
	Output string          `json:"output,omitempty"`
	ID     string          `json:"id,omitempty"`  // of the message; "" is derived
	Key    string          `json:"key,omitempty"` // of the value; of a message its ordering key
	Value  json.RawMessage `json:"value,omitempty"`
	Run    bool            `json:"run,omitempty"`    // the value is for the next attempt of this run
	Delete bool            `json:"delete,omitempty"` // the task's value is deleted; there is no Value
}

// Reply answers a request.
type Reply struct {
	Error string          `json:"error,omitempty"` // "" is done
	Value json.RawMessage `json:"value,omitempty"` // of a load
	Found bool            `json:"found,omitempty"` // of a load
}

// ErrNoTask says that there is nobody to speak to.
var ErrNoTask = errors.New("this is no command of a task: " + Env + " is not set, as it is for what the exec plugin runs")

// Conn is a connection of a command. It is for one goroutine.
type Conn struct {
	conn  net.Conn
	lines *bufio.Scanner
	stop  func() bool
}

// Dial connects to the socket at path, which is what the variable [Env] holds. The connection ends with ctx.
func Dial(ctx context.Context, path string) (*Conn, error) {
	if path == "" {
		return nil, ErrNoTask
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the task: %w; its command may have ended", err)
	}
	return &Conn{conn: c, lines: Lines(c), stop: context.AfterFunc(ctx, func() { c.Close() })}, nil
}

// Close ends the connection.
func (c *Conn) Close() error {
	c.stop()
	return c.conn.Close()
}

// Ask sends a request and waits for its answer. The error of a request that was refused is the refusal.
func (c *Conn) Ask(q Request) (Reply, error) {
	var r Reply
	line, err := json.Marshal(q)
	if err != nil {
		return r, fmt.Errorf("encode the request: %w", err)
	}
	if len(line) >= MaxLine {
		return r, fmt.Errorf("the request has %d bytes; the limit is %d", len(line), MaxLine)
	}
	if _, err := c.conn.Write(append(line, '\n')); err != nil {
		return r, fmt.Errorf("cannot reach the task: %w", err)
	}
	if !c.lines.Scan() {
		return r, errors.Join(errors.New("no answer came: the command's run may have ended"), c.lines.Err())
	}
	if err := json.Unmarshal(c.lines.Bytes(), &r); err != nil {
		return r, fmt.Errorf("decode the answer: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// Lines reads the requests or answers of a connection.
func Lines(c net.Conn) *bufio.Scanner {
	s := bufio.NewScanner(c)
	s.Buffer(nil, MaxLine)
	return s
}
