package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/sdk/notify"
)

// emitFlags are the flags of notify emit.
type emitFlags struct {
	id, key          string
	lines, text, now bool
}

func (a *app) notifyEmit() *cobra.Command {
	var f emitFlags
	c := &cobra.Command{
		Use: "emit OUTPUT [VALUE|-]", Short: "Send a message to an output of the task, when the command has ended well", Args: between(1, "an output", "a message"),
		RunE: func(c *cobra.Command, args []string) error {
			text := valueArg(args)
			if f.lines && text != "-" {
				return usagef("-lines reads messages from stdin; leave %q out", text)
			}
			if f.lines {
				return a.emitLines(c.Context(), args[0], f)
			}
			data, err := a.readText("the message", text)
			if err != nil {
				return err
			}
			op, err := f.op(args[0], data)
			if err != nil {
				return usagef("%v", err)
			}
			return a.tell(c.Context(), notify.Request{Verb: notify.Commit, Now: f.now, Ops: []notify.Op{op}})
		},
	}
	c.Flags().StringVar(&f.id, "id", "", "the message's id: the same id with the same message is one message; with -lines ID-1, ID-2, …")
	c.Flags().StringVar(&f.key, "key", "", "the message's key; messages with one key can be handled in their order")
	c.Flags().BoolVar(&f.lines, "lines", false, "each line of stdin is a message")
	c.Flags().BoolVar(&f.now, "now", false, "at once, whatever becomes of the command")
	textFlag(c, &f.text)
	return c
}

// op is a message for the output.
func (f emitFlags) op(output string, data []byte) (notify.Op, error) {
	op := notify.Op{Output: output, ID: f.id, Key: f.key}
	data = bytes.TrimRight(data, "\r\n")
	if len(data) == 0 {
		return op, errors.New("the message is empty; null is a message, too")
	}
	if f.text {
		text, err := json.Marshal(string(data))
		op.Value = text
		return op, err
	}
	if !json.Valid(data) {
		return op, fmt.Errorf("the message is no JSON: %s; -text sends it as a text", brief(string(data)))
	}
	op.Value = data
	return op, nil
}

// emitSize bounds what one request emits, in bytes.
const emitSize = 256 << 10

// emitLines sends each line of stdin, many in one request. Empty lines are none. What stands before a line that is no
// message may have been sent.
func (a *app) emitLines(ctx context.Context, output string, f emitFlags) error {
	return a.talk(ctx, func(c *notify.Conn) error {
		lines := bufio.NewScanner(a.In)
		lines.Buffer(nil, notify.MaxLine)
		var ops []notify.Op
		size := 0
		send := func() error {
			if len(ops) == 0 {
				return nil
			}
			_, err := c.Ask(notify.Request{Verb: notify.Commit, Now: f.now, Ops: ops})
			ops, size = nil, 0
			return err
		}
		for n, messages := 1, 0; lines.Scan(); n++ {
			if len(bytes.TrimSpace(lines.Bytes())) == 0 {
				continue
			}
			op, err := f.op(output, bytes.Clone(lines.Bytes()))
			if err != nil {
				return usagef("line %d: %v", n, err)
			}
			if messages++; f.id != "" {
				op.ID = fmt.Sprintf("%s-%d", f.id, messages)
			}
			ops, size = append(ops, op), size+len(op.Value)
			if len(ops) == notify.MaxOps || size >= emitSize {
				if err := send(); err != nil {
					return err
				}
			}
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("read stdin: %w", err)
		}
		return send()
	})
}
