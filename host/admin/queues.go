package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"time"
)

// Queues returns the queues by name.
func (c *Client) Queues(ctx context.Context) (List[Queue], error) {
	var l List[Queue]
	_, err := c.get(ctx, path("queues"), nil, &l)
	return l, err
}

// Queue returns one queue.
func (c *Client) Queue(ctx context.Context, name string) (Queue, error) {
	var q Queue
	_, err := c.get(ctx, path("queues", name), nil, &q)
	return q, err
}

// PostOptions says how a message is posted.
type PostOptions struct {
	ID   string        // makes the post safe to repeat: the same id is one message
	Key  string        // messages with the same key may be handled in their order
	Wait time.Duration // for room in a full queue that blocks; 0 is the host's choice
}

// Post puts one message into the queue. It is durable when Post returns.
func (c *Client) Post(ctx context.Context, queue string, value json.RawMessage, o PostOptions) (Posted, error) {
	r := call{method: http.MethodPost, path: path("queues", queue, "messages"), query: waitQuery(o.Wait), body: value}
	set(r.query, "key", o.Key)
	if o.ID != "" {
		r.header = map[string]string{"Idempotency-Key": o.ID}
	}
	var p Posted
	_, err := c.do(ctx, r, &p)
	return p, err
}

// PostBatch puts up to 1,000 messages into the queue, at most 8 MiB. Each has its own answer; the error
// is that of the batch as a whole.
func (c *Client) PostBatch(ctx context.Context, queue string, messages []NewMessage, wait time.Duration) (BatchResult, error) {
	body := struct {
		Messages []NewMessage `json:"messages"`
	}{messages}
	var b BatchResult
	_, err := c.post(ctx, path("queues", queue, "messages", "batch"), waitQuery(wait), body, &b)
	return b, err
}

// Peek returns messages of the queue, the oldest first, and leaves them where they are.
func (c *Client) Peek(ctx context.Context, queue string, limit int, cursor string) (List[Message], error) {
	v := url.Values{}
	page(v, limit, cursor)
	var l List[Message]
	_, err := c.get(ctx, path("queues", queue, "messages"), v, &l)
	return l, err
}

// DeadLetters returns dead letters of the queue, the newest first.
func (c *Client) DeadLetters(ctx context.Context, queue string, limit int, cursor string) (List[DeadLetter], error) {
	v := url.Values{}
	page(v, limit, cursor)
	var l List[DeadLetter]
	_, err := c.get(ctx, path("queues", queue, "dead-letters"), v, &l)
	return l, err
}

// DeadLetter returns one dead letter.
func (c *Client) DeadLetter(ctx context.Context, queue, id string) (DeadLetter, error) {
	var d DeadLetter
	_, err := c.get(ctx, path("queues", queue, "dead-letters", id), nil, &d)
	return d, err
}

// Redrive makes dead letters messages again, with new ids.
func (c *Client) Redrive(ctx context.Context, queue string, r Redrive) (Redriven, error) {
	var out Redriven
	_, err := c.post(ctx, path("queues", queue, "redrive"), nil, r, &out)
	return out, err
}

// Purge deletes the messages of the queue that are in nobody's hands or, with dead, its dead letters.
func (c *Client) Purge(ctx context.Context, queue string, dead bool) (int, error) {
	var out Purged
	_, err := c.post(ctx, path("queues", queue, "purge"), nil, Purge{Dead: dead, Confirm: queue}, &out)
	return out.Purged, err
}
