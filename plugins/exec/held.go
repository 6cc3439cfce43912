package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/taskhost/taskhost/sdk/notify"
	"github.com/taskhost/taskhost/sdk/task"
)

// maxHeld bounds what is held until the end of a command, in bytes: one commit has room for it.
const maxHeld = 900 << 10

// held is what a command has saved and emitted and what takes effect when it ends well. It is safe for concurrent use.
type held struct {
	mu    sync.Mutex
	ops   []notify.Op
	bytes int
}

// add holds all of ops or none.
func (d *held) add(ops []notify.Op) error {
	size := 0
	for _, op := range ops {
		if err := checkOp(op); err != nil {
			return err
		}
		size += len(op.Value) + len(op.Key) + len(op.ID) + len(op.Output) + 64
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.ops)+len(ops) > notify.MaxOps || d.bytes+size > maxHeld {
		return fmt.Errorf("too much waits for the end of the command: one commit takes %d values and messages and %d bytes; -now does not wait", notify.MaxOps, maxHeld)
	}
	d.ops, d.bytes = append(d.ops, ops...), d.bytes+size
	return nil
}

// last is what the command said last of a value of the task, and what waits: that it is saved, or deleted.
func (d *held) last(key string) (notify.Op, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, op := range slices.Backward(d.ops) {
		if op.Output == "" && op.Key == key {
			return op, true
		}
	}
	return notify.Op{}, false
}

// take is all of it.
func (d *held) take() []notify.Op {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ops
}

// checkOp finds at once what the commit would be refused for later.
func checkOp(op notify.Op) error {
	switch {
	case op.Delete && (op.Output != "" || op.Run || len(op.Value) > 0):
		return errors.New("only a value of the task is deleted, and by its key alone")
	case !op.Delete && !json.Valid(op.Value):
		return errors.New("a value that is no JSON")
	case op.Output == "" && (op.Key == "" || len(op.Key) > 128):
		return errors.New("a key has 1 to 128 bytes")
	case op.Output == "" && strings.ContainsFunc(op.Key, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("a key holds no line breaks, and nothing else that is not printed")
	case strings.HasPrefix(op.ID, "~"):
		return errors.New("a message's id does not begin with ~: those are derived for messages without one")
	case len(op.Key) > 256:
		return errors.New("a message's key has at most 256 bytes")
	case len(op.ID) > 128:
		return errors.New("a message's id has at most 128 bytes")
	}
	return nil
}

// commits turns what a command said into what a run commits.
func commits(ops []notify.Op) []task.Op {
	out := make([]task.Op, 0, len(ops))
	for _, op := range ops {
		switch {
		case op.Output != "":
			out = append(out, task.Emit(op.Output, op.Value, emitOptions(op)...))
		case op.Delete:
			out = append(out, task.Delete(op.Key))
		case op.Run:
			out = append(out, task.SaveRun(op.Key, op.Value))
		default:
			out = append(out, task.Save(op.Key, op.Value))
		}
	}
	return out
}

func emitOptions(op notify.Op) (options []task.EmitOption) {
	if op.ID != "" {
		options = append(options, task.ID(op.ID))
	}
	if op.Key != "" {
		options = append(options, task.Key(op.Key))
	}
	return options
}
