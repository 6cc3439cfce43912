package queue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/agext/levenshtein"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	maxID  = 128 // bytes of a message's id
	maxKey = 256 // bytes of its key

	// derivedID begins the ids that the SDK derives from a run or a message and the body. Producers may not use it.
	derivedID = '~'

	// codeUnavailable is the code of the store's refusal while the disk takes no writes.
	codeUnavailable = "store_unavailable"
)

// checkID refuses an id that no message may have.
func checkID(id string) error {
	if len(id) > maxID || !printable(id) {
		return invalid("1 to 128 bytes of printable text", "the message id %.40q cannot be taken", id)
	}
	return nil
}

// checkGivenID refuses an id that a producer may not give, too.
func checkGivenID(id string) error {
	if id != "" && id[0] == derivedID {
		return invalid("begin it with another character", "the message id %.40q begins with %q, which is kept for ids that are derived", id, derivedID)
	}
	return checkID(id)
}

func checkKey(key string) error {
	if len(key) > maxKey || !printable(key) {
		return invalid("up to 256 bytes of printable text", "the key %.40q of a message cannot be taken", key)
	}
	return nil
}

// printable reports whether text is UTF-8 that can be shown. What is over every bound is not looked at.
func printable(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// compact checks a body, and takes the spaces out of it.
func compact(queue string, body json.RawMessage) (json.RawMessage, error) {
	var out bytes.Buffer
	out.Grow(len(body))
	if err := json.Compact(&out, body); err != nil {
		return nil, invalid("send one JSON value", "the message for the queue %q is not JSON: %v", queue, err)
	}
	if out.Len() < len(body)/2 {
		return bytes.Clone(out.Bytes()), nil // it is kept for long, and the spaces are not to be kept with it
	}
	return out.Bytes(), nil
}

// checkSize refuses a body that is too large for a message.
func checkSize(queue string, body json.RawMessage) error {
	if len(body) <= task.MaxMessageBytes {
		return nil
	}
	return &task.Error{
		Code:   task.CodeMessageTooBig,
		Detail: fmt.Sprintf("the message for the queue %q has %d bytes", queue, len(body)),
		Remedy: fmt.Sprintf("a message takes up to %d bytes: keep large data in a file, and post its name", task.MaxMessageBytes),
	}
}

func invalid(remedy, format string, args ...any) error {
	return &task.Error{Code: task.CodeInvalid, Detail: fmt.Sprintf(format, args...), Remedy: remedy}
}

// unknownQueue says which name is near.
func unknownQueue(name string, names []string) error {
	e := &task.Error{Code: task.CodeQueueUnknown, Detail: fmt.Sprintf("there is no queue %.80q", name)}
	best := 3
	for _, candidate := range names {
		if len(name) > 2*len(candidate) {
			continue
		}
		if d := levenshtein.Distance(name, candidate, nil); d < best {
			best, e.Remedy = d, fmt.Sprintf("did you mean %q?", candidate)
		}
	}
	if e.Remedy == "" {
		e.Remedy = "list the queues to see those that are there"
	}
	return e
}

func noLonger(name string) error {
	return &task.Error{
		Code:   task.CodeQueueUnknown,
		Detail: fmt.Sprintf("the queue %q is not declared any more and takes no messages", name),
		Remedy: fmt.Sprintf("declare it again with queue %q {}, or purge what is left of it", name),
	}
}
