package cli

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/sdk/notify"
	"github.com/taskhost/taskhost/sdk/schema"
)

// notifyCommand is what a script says of itself. It speaks to the plugin that runs the script, not to the host.
func (a *app) notifyCommand() *cobra.Command {
	return parent("notify", "In a command that the exec plugin runs: say how far it is, save, load, emit, ask for time",
		a.notifyProgress(), a.notifyStatus(), a.notifyState(), a.notifyReady(), a.notifyBeat(), a.notifyExtend(), a.notifySave(), a.notifyLoad(), a.notifyDelete(), a.notifyEmit())
}

// talk opens the connection to the plugin, for as long as f takes.
func (a *app) talk(ctx context.Context, f func(*notify.Conn) error) error {
	c, err := notify.Dial(ctx, a.Env(notify.Env))
	if err != nil {
		return &outside{err}
	}
	defer c.Close()
	return f(c)
}

// outside says that there is no task to speak of.
type outside struct{ error }

func (o *outside) Unwrap() error { return o.error }

// tell sends one request.
func (a *app) tell(ctx context.Context, q notify.Request) error {
	return a.talk(ctx, func(c *notify.Conn) error {
		_, err := c.Ask(q)
		return err
	})
}

func (a *app) notifyProgress() *cobra.Command {
	return &cobra.Command{
		Use: "progress DONE [TOTAL] [NOTE]", Short: "Say how far the run has come", Args: between(1, "how much is done", "how much there is", "a note"),
		RunE: func(c *cobra.Command, args []string) error {
			q := notify.Request{Verb: notify.Progress}
			for i, to := range []*int64{&q.Done, &q.Total} {
				if i >= len(args) {
					break
				}
				n, err := strconv.ParseInt(args[i], 10, 64)
				if err != nil || n < 0 {
					return usagef("%s: %q is no whole number", c.CommandPath(), args[i])
				}
				*to = n
			}
			if len(args) == 3 {
				q.Note = args[2]
			}
			return a.tell(c.Context(), q)
		},
	}
}

func (a *app) notifyStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status TEXT", Short: "Say in words what it is doing", Args: exactly("a text"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.tell(c.Context(), notify.Request{Verb: notify.Status, Note: args[0]})
		},
	}
}

func (a *app) notifyState() *cobra.Command {
	var text bool
	c := &cobra.Command{
		Use: "state KEY VALUE", Short: "Publish a value of the task's state; a number becomes a metric, too", Args: exactly("a key", "a value"),
		RunE: func(c *cobra.Command, args []string) error {
			value, err := a.scriptValue(args[1], text)
			if err != nil {
				return err
			}
			return a.tell(c.Context(), notify.Request{Verb: notify.State, Key: args[0], Value: value})
		},
	}
	textFlag(c, &text)
	return c
}

func (a *app) notifyReady() *cobra.Command {
	return &cobra.Command{
		Use: "ready [NOTE]", Short: "Say that it does its work now, where the task has ready { notify = true }", Args: between(0, "a note"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.tell(c.Context(), notify.Request{Verb: notify.Ready, Note: strings.Join(args, "")})
		},
	}
}

func (a *app) notifyBeat() *cobra.Command {
	return &cobra.Command{
		Use: "beat", Short: "Give a sign of life; from the first on, lines of output are none", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.tell(c.Context(), notify.Request{Verb: notify.Beat})
		},
	}
}

func (a *app) notifyExtend() *cobra.Command {
	return &cobra.Command{
		Use: "extend DURATION", Short: "Ask for more time: of the timeout, or while the task drains of that", Args: exactly("a duration"),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := schema.ParseDuration(args[0])
			if err != nil {
				return usagef("%s: %v", c.CommandPath(), err)
			}
			return a.tell(c.Context(), notify.Request{Verb: notify.Extend, Seconds: d.Seconds()})
		},
	}
}

func (a *app) notifySave() *cobra.Command {
	var text, run, now bool
	c := &cobra.Command{
		Use: "save KEY [VALUE|-]", Short: "Save a value in the task's checkpoint, when the command has ended well", Args: between(1, "a key", "a value"),
		RunE: func(c *cobra.Command, args []string) error {
			value, err := a.scriptValue(valueArg(args), text)
			if err != nil {
				return err
			}
			return a.tell(c.Context(), notify.Request{Verb: notify.Commit, Now: now, Ops: []notify.Op{{Key: args[0], Value: value, Run: run}}})
		},
	}
	textFlag(c, &text)
	c.Flags().BoolVar(&run, "run", false, "for the next attempt of this run only, and at once")
	c.Flags().BoolVar(&now, "now", false, "at once, whatever becomes of the command")
	return c
}

func (a *app) notifyLoad() *cobra.Command {
	var run bool
	var otherwise string
	c := &cobra.Command{
		Use: "load KEY", Short: "Print a value that this run or an earlier one has saved; exit 3 when there is none", Args: exactly("a key"),
		RunE: func(c *cobra.Command, args []string) error {
			var r notify.Reply
			err := a.talk(c.Context(), func(conn *notify.Conn) (err error) {
				r, err = conn.Ask(notify.Request{Verb: notify.Load, Key: args[0], Run: run})
				return err
			})
			switch {
			case err != nil:
				return err
			case r.Found:
				return a.emit(r.Value, func() { a.printRaw(r.Value) })
			case c.Flags().Changed("default"):
				value, err := a.scriptValue(otherwise, false)
				if err != nil {
					return err
				}
				return a.emit(value, func() { a.printRaw(value) })
			}
			a.say("taskhost: nothing is saved under %q", args[0])
			return &Silent{ExitNotFound}
		},
	}
	c.Flags().BoolVar(&run, "run", false, "what an earlier attempt of this run saved with -run")
	c.Flags().StringVar(&otherwise, "default", "", "what to print when there is none")
	return c
}

func (a *app) notifyDelete() *cobra.Command {
	var now bool
	c := &cobra.Command{
		Use: "delete KEY", Short: "Delete a value from the task's checkpoint, when the command has ended well", Args: exactly("a key"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.tell(c.Context(), notify.Request{Verb: notify.Commit, Now: now, Ops: []notify.Op{{Key: args[0], Delete: true}}})
		},
	}
	c.Flags().BoolVar(&now, "now", false, "at once, whatever becomes of the command")
	return c
}

// printRaw prints a text as it is, and any other value as JSON.
func (a *app) printRaw(value json.RawMessage) {
	var text string
	if json.Unmarshal(value, &text) == nil {
		a.line("%s", text)
		return
	}
	a.line("%s", value)
}

func textFlag(c *cobra.Command, text *bool) {
	c.Flags().BoolVar(text, "text", false, "the value is a text, whatever it looks like")
}

// valueArg is the second argument; without it the value comes from stdin.
func valueArg(args []string) string {
	if len(args) < 2 {
		return "-"
	}
	return args[1]
}

// scriptValue is a value as scripts have them: a number, true, false, null, an object or a list as JSON, anything else as a
// text. "-" reads it from stdin, without the end of its last line.
func (a *app) scriptValue(text string, plain bool) (json.RawMessage, error) {
	if text == "-" {
		data, err := a.readText("the value", "-")
		if err != nil {
			return nil, err
		}
		text = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	}
	if !plain && isScriptJSON(text) {
		return json.RawMessage(text), nil
	}
	return json.Marshal(text)
}

// isScriptJSON reports whether a text is a JSON value that prints as it was given.
func isScriptJSON(text string) bool {
	if !json.Valid([]byte(text)) || strings.HasPrefix(strings.TrimSpace(text), `"`) {
		return false
	}
	return strings.TrimSpace(text) == text
}
