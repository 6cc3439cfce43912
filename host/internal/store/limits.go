package store

import (
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Bounds on the values that author code keeps and publishes.
const (
	MaxValue = 1 << 20 // bytes of one value's JSON
	MaxKey   = 128     // bytes of a key
	MaxKeys  = 1000    // checkpoint keys of a task, published keys of a task, values of a run
)

// Codes of the refusals that only a store makes, as *task.Error.
const (
	CodeConflict = "version_conflict" // a checkpoint has another version
	CodeRunEnded = "run_ended"        // a commit of a run that has ended
	CodeLimit    = "limit"            // a value, a key or their number is over its bound
	CodeNoOutput = "output_not_wired" // an emit to an output without a queue
	CodeDamaged  = "store_damaged"    // a write that needs a record which is damaged
)

// CheckKey refuses a key that no value may have: it takes 1 to 128 bytes of printable text.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return limit("the key %.40q has %d bytes", key, len(key)).remedy("a key takes 1 to %d bytes", MaxKey)
	}
	if !utf8.ValidString(key) {
		return limit("the key %.40q is not UTF-8", key).remedy("a key takes printable text")
	}
	for _, r := range key {
		if !unicode.IsPrint(r) {
			return limit("the key %.40q holds the unprintable character %U", key, r).remedy("a key takes printable text")
		}
	}
	return nil
}

// CheckValue refuses what CheckKey refuses, a value over 1 MiB and one that is not JSON.
func CheckValue(key string, value json.RawMessage) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if len(value) > MaxValue {
		return limit("the value of %q has %d bytes", key, len(value)).remedy("a value takes up to %d bytes: keep large data in a file", MaxValue)
	}
	if !json.Valid(value) {
		return &task.Error{Code: task.CodeInvalid, Detail: fmt.Sprintf("the value of %q is not JSON", key), Remedy: "send one JSON value"}
	}
	return nil
}

func tooManyKeys(what string) error {
	return limit("%s would hold more than %d keys", what, MaxKeys).remedy("delete some, or keep several values under one key")
}

type refusal task.Error

func limit(format string, args ...any) *refusal {
	return &refusal{Code: CodeLimit, Detail: fmt.Sprintf(format, args...)}
}

func (r *refusal) remedy(format string, args ...any) error {
	r.Remedy = fmt.Sprintf(format, args...)
	return (*task.Error)(r)
}
