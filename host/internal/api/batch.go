package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

const (
	maxBatch      = 1000
	maxBatchBytes = 8 << 20
	maxBatches    = 8 // in hand at a time, so that their bodies stay bounded
)

// entry is one message of a batch: what to post, or why not.
type entry struct {
	task.NewMessage
	err error
}

// postBatch puts many messages into a queue. Each is answered for itself.
func (a *API) postBatch(r *request) (any, error) {
	name, in, err := a.postTo(r)
	if err != nil {
		return nil, err
	}
	wait, err := r.postWait()
	if err != nil {
		return nil, err
	}
	if err := a.batches.wait(r.Context()); err != nil {
		return nil, err
	}
	defer a.batches.give()
	entries, err := r.batch()
	if err != nil {
		return nil, err
	}
	for i := range entries {
		e := &entries[i]
		e.Source, e.TraceParent = r.who.Name, r.trace
		if e.err == nil {
			e.err = e.check(in)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	posted := a.postEntries(ctx, name, entries)
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	return a.batchResult(r, name, entries, posted), nil
}

func (e *entry) check(in *intake) error {
	if e.ID != "" {
		if err := checkID("the id", e.ID); err != nil {
			return err
		}
	}
	switch {
	case len(e.Body) == 0:
		return refuse("message_invalid", "the message has no value").with(`write {"value": …}; null is a value, too`)
	case len(e.Body) > task.MaxMessageBytes:
		return tooLargeMessage()
	}
	if err := checkKey(e.Key); err != nil {
		return err
	}
	var err error
	if e.Body, err = compact(e.Body); err != nil {
		return err
	}
	e.Clean = true
	return in.check(e.Body)
}

// batch reads the messages of the body: an object with a list, or one a line.
func (r *request) batch() ([]entry, error) {
	envelope, err := r.flag("envelope")
	if err != nil {
		return nil, err
	}
	media := r.Header.Get("Content-Type")
	lines := isMedia(media, "application/x-ndjson")
	switch {
	case !lines && media != "" && !isMedia(media, "application/json"):
		return nil, notJSON(media).with("send application/json or application/x-ndjson")
	case !lines && envelope:
		return nil, refuse("query_invalid", "envelope is for application/x-ndjson").with("leave it out: in a list a message always has its envelope")
	}
	data, err := r.read(maxBatchBytes, func() *refusal {
		return refuse("body_too_large", "the batch has more than %s", schema.FormatBytes(maxBatchBytes))
	})
	if err != nil {
		return nil, err
	}
	if lines {
		return batchLines(data, envelope)
	}
	return batchList(data)
}

func tooMany() error {
	return refuse("body_too_large", "the batch has more than %d messages", maxBatch).with("send several batches")
}

// batchLines reads one message a line; empty lines are passed over. A line that is wrong spoils no other one.
func batchLines(data []byte, envelope bool) ([]entry, error) {
	var all []entry
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(all) == maxBatch {
			return nil, tooMany()
		}
		if !envelope {
			all = append(all, entry{NewMessage: task.NewMessage{Body: line}})
			continue
		}
		e := entry{err: checkDepth(line, maxDepth+1)}
		if e.err == nil {
			e = entryOf(line)
		}
		all = append(all, e)
	}
	return all, nil
}

// batchList reads {"messages": [...]}, message by message, so that a list without an end is refused early.
func batchList(data []byte) ([]entry, error) {
	if err := checkDepth(data, maxDepth+3); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := expect(dec, json.Delim('{'), "messages", json.Delim('[')); err != nil {
		return nil, err
	}
	var all []entry
	for dec.More() {
		if len(all) == maxBatch {
			return nil, tooMany()
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, malformed(err, dec.InputOffset())
		}
		all = append(all, entryOf(raw))
	}
	if err := expect(dec, json.Delim(']'), json.Delim('}')); err != nil {
		return nil, err
	}
	return all, nil
}

// expect reads these tokens.
func expect(dec *json.Decoder, want ...json.Token) error {
	for _, w := range want {
		tok, err := dec.Token()
		if err != nil && !errors.Is(err, io.EOF) {
			return malformed(err, dec.InputOffset())
		}
		if tok != w {
			return refuse("body_invalid", "the body is no batch, at byte %d", dec.InputOffset()).
				with(`write {"messages": [{"id": …, "key": …, "value": …}]}`)
		}
	}
	return nil
}

func malformed(err error, at int64) error {
	return refuse("body_invalid", "the body is no JSON: %s, at byte %d", strings.TrimPrefix(err.Error(), "json: "), at)
}

// entryOf reads one message with its envelope.
func entryOf(raw []byte) entry {
	var e struct {
		ID    string          `json:"id"`
		Key   string          `json:"key"`
		Value json.RawMessage `json:"value"`
	}
	if err := decode(raw, &e); err != nil {
		bad, _ := errors.AsType[*refusal](err)
		out := refuse("message_invalid", "the message's envelope is wrong").with(`write {"id": …, "key": …, "value": …}`)
		out.fields = bad.fields
		return entry{err: out}
	}
	return entry{NewMessage: task.NewMessage{ID: e.ID, Key: e.Key, Body: e.Value}}
}

// postEntries posts what is right, all together, so that they share the disk's time. The result is as long as
// entries; an entry that was refused has its error.
func (a *API) postEntries(ctx context.Context, queue string, entries []entry) []task.Posted {
	var ms []task.NewMessage
	var at []int
	for i, e := range entries {
		if e.err == nil {
			ms, at = append(ms, e.NewMessage), append(at, i)
		}
	}
	post := a.postLanes
	if q, ok := a.Queues.(QueuesInOrder); ok {
		post = q.PostAll
	}
	done, errs := post(ctx, queue, ms)
	posted := make([]task.Posted, len(entries))
	for n, i := range at {
		posted[i], entries[i].err = done[n], errs[n]
	}
	return posted
}

// postLanes posts messages side by side, those with the same key in their order.
func (a *API) postLanes(ctx context.Context, queue string, ms []task.NewMessage) ([]task.Posted, []error) {
	posted, errs := make([]task.Posted, len(ms)), make([]error, len(ms))
	lanes, byKey := [][]int{}, map[string]int{}
	for i, m := range ms {
		lane, ok := byKey[m.Key]
		if !ok || m.Key == "" {
			lane = len(lanes)
			lanes = append(lanes, nil)
			byKey[m.Key] = lane
		}
		lanes[lane] = append(lanes[lane], i)
	}
	var work sync.WaitGroup
	for _, lane := range lanes {
		work.Go(func() {
			for _, i := range lane {
				posted[i], errs[i] = a.postOne(ctx, queue, ms[i])
			}
		})
	}
	work.Wait()
	return posted, errs
}

// postOne keeps a panic of this one message from the host.
func (a *API) postOne(ctx context.Context, queue string, m task.NewMessage) (p task.Posted, err error) {
	defer func() {
		if what := recover(); what != nil {
			err = fmt.Errorf("post panicked: %v\n%s", what, debug.Stack())
		}
	}()
	return a.Queues.Post(ctx, queue, m)
}

func (a *API) batchResult(r *request, queue string, entries []entry, posted []task.Posted) answer {
	out := admin.BatchResult{Items: make([]admin.BatchItem, len(entries))}
	header := map[string]string{}
	for i, e := range entries {
		item := &out.Items[i]
		if e.err != nil {
			problem, why := a.problem(r, a.notPosted(r, queue, e.err))
			*item = admin.BatchItem{ID: e.ID, Status: problem.Status, Error: problem}
			if why.retryAfter != "" {
				header["Retry-After"] = why.retryAfter
			}
			out.Refused++
			continue
		}
		*item = admin.BatchItem{ID: posted[i].ID, Status: postedStatus(posted[i]), Duplicate: posted[i].Duplicate}
		if posted[i].Duplicate {
			out.Duplicates++
		} else {
			out.Accepted++
		}
	}
	return answer{status: http.StatusOK, header: header, body: out}
}
