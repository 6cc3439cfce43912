package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/sdk/schema"
)

func (a *app) queueCommand() *cobra.Command {
	return parent("queue", "Show queues, post to them and care for their dead letters",
		a.queueList(), a.queueShow(), a.queuePost(), a.queuePeek(), a.queueDead(), a.queueRedrive(), a.queuePurge())
}

func (a *app) completeQueue(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.names(c, func(ctx context.Context, api *admin.Client) []string {
		l, err := api.Queues(ctx)
		if err != nil {
			return nil
		}
		var names []string
		for _, q := range l.Items {
			names = append(names, q.Name+"\t"+plural(q.Depth, "message"))
		}
		return names
	})
}

func (a *app) queueList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the queues", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			l, err := api.Queues(c.Context())
			if err != nil {
				return err
			}
			return emitAll(a, l.Items, func(q admin.Queue) string { return q.Name }, func() {
				t := newTable("NAME", "DEPTH", "READY", "IN FLIGHT", "DEAD", "OLDEST", "CONSUMERS")
				for _, q := range l.Items {
					t.add(q.Name, strconv.Itoa(q.Depth), strconv.Itoa(q.Ready), strconv.Itoa(q.InFlight), strconv.Itoa(q.Dead), oldestText(q), consumersText(q))
				}
				t.write(a)
			})
		},
	}
}

func oldestText(q admin.Queue) string {
	if q.OldestAge == nil {
		return ""
	}
	return short(q.OldestAge.Duration())
}

// consumersText names the tasks that handle messages, once each.
func consumersText(q admin.Queue) string {
	var names []string
	for _, c := range q.Consumers {
		if !slices.Contains(names, c.Task) {
			names = append(names, c.Task)
		}
	}
	return strings.Join(names, ", ")
}

func (a *app) queueShow() *cobra.Command {
	return &cobra.Command{
		Use: "show QUEUE", Short: "Show one queue: what is in it, its bounds, and who works on it", Args: exactly("a queue's name"), ValidArgsFunction: a.completeQueue,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			q, err := api.Queue(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.emit(q, func() { a.showQueue(q) })
		},
	}
}

func (a *app) showQueue(q admin.Queue) {
	b := q.Bounds
	a.line("%s  %d of %d messages", q.Name, q.Depth, b.MaxMessages)
	a.fact("", q.Description)
	if !q.Declared {
		a.fact("note", "the configuration does not name it any more")
	}
	a.fact("bytes", schema.FormatBytes(q.Bytes)+" of "+schema.FormatBytes(b.MaxBytes))
	a.fact("ready", strconv.Itoa(q.Ready))
	a.fact("delayed", strconv.Itoa(q.Delayed))
	a.fact("in flight", strconv.Itoa(q.InFlight))
	a.fact("oldest", oldestText(q))
	a.fact("dead letters", strconv.Itoa(q.Dead))
	a.fact("when full", b.Overflow)
	a.fact("deliveries", fmt.Sprintf("%d, then a dead letter; again after %s, up to %s", b.MaxDeliveries, short(b.Backoff.Duration()), short(b.MaxBackoff.Duration())))
	if b.MaxAge > 0 {
		a.fact("max age", short(b.MaxAge.Duration()))
	}
	a.fact("ids kept for", short(b.IDsFor.Duration()))
	if q.Ingress {
		a.fact("ingress", "open to producers")
	}
	a.fact("last minute", fmt.Sprintf("%.1f/s posted, %.1f/s acknowledged", q.Rates.In, q.Rates.Out))
	n := q.Counts
	a.fact("since start", fmt.Sprintf("posted %d, duplicates %d, acknowledged %d, failed %d, dropped %d, rejected %d",
		n.Posted, n.Duplicates, n.Acknowledged, n.FailedDeliveries, n.Dropped, n.Rejected))
	for _, c := range q.Consumers {
		text := c.Task + "  run " + c.Run + "  " + strconv.Itoa(c.InFlight) + " in flight"
		if c.Paused {
			text += "  paused"
		}
		a.fact("consumer", text)
	}
	a.fact("producers", strings.Join(q.Producers, ", "))
	for _, t := range q.Takes {
		a.fact("takes", t.Task+"  "+string(t.Message))
	}
}

func (a *app) queuePeek() *cobra.Command {
	n := 10
	c := &cobra.Command{
		Use: "peek QUEUE", Short: "Show the oldest messages; they stay where they are", Args: exactly("a queue's name"), ValidArgsFunction: a.completeQueue,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			messages, err := admin.Collect(n, func(limit int, cursor string) (admin.List[admin.Message], error) {
				return api.Peek(c.Context(), args[0], limit, cursor)
			})
			if err != nil {
				return err
			}
			return emitAll(a, messages, func(m admin.Message) string { return m.ID }, func() {
				t := newTable("ID", "POSTED", "KEY", "TRIES", "SIZE", "VALUE")
				for _, m := range messages {
					t.add(m.ID, a.clock(m.Posted), m.Key, strconv.Itoa(m.Attempts), schema.FormatBytes(int64(m.Size)), clip(string(m.Value)))
				}
				t.write(a)
			})
		},
	}
	c.Flags().VarP((*count)(&n), "limit", "n", "how many messages")
	return c
}

const widest = 100 // characters of a value in a table

func clip(text string) string {
	if r := []rune(oneLine(text)); len(r) > widest {
		return string(r[:widest-1]) + "…"
	}
	return oneLine(text)
}

func (a *app) queueDead() *cobra.Command {
	n := 10
	c := &cobra.Command{
		Use: "dead QUEUE [ID]", Short: "Show the newest dead letters, or one of them", Args: between(1, "a queue's name", "a message's id"), ValidArgsFunction: a.completeQueue,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			if len(args) == 2 {
				d, err := api.DeadLetter(c.Context(), args[0], args[1])
				if err != nil {
					return err
				}
				return a.emit(d, func() { a.showDead(args[0], d) })
			}
			dead, err := admin.Collect(n, func(limit int, cursor string) (admin.List[admin.DeadLetter], error) {
				return api.DeadLetters(c.Context(), args[0], limit, cursor)
			})
			if err != nil {
				return err
			}
			return emitAll(a, dead, func(d admin.DeadLetter) string { return d.ID }, func() {
				t := newTable("ID", "DIED", "REASON", "TRIES", "KEY", "ERROR")
				for _, d := range dead {
					t.add(d.ID, a.clock(d.Died), d.Reason, strconv.Itoa(d.Attempts), d.Key, clip(d.LastError))
				}
				t.write(a)
			})
		},
	}
	c.Flags().VarP((*count)(&n), "limit", "n", "how many dead letters")
	return c
}

func (a *app) showDead(queue string, d admin.DeadLetter) {
	a.line("%s", admin.Printable("dead letter "+d.ID+" of "+queue))
	a.fact("reason", d.Reason)
	a.fact("error", d.LastError)
	a.fact("tries", strconv.Itoa(d.Attempts))
	a.fact("died", a.clock(d.Died))
	a.fact("posted", a.clock(d.Posted))
	a.fact("source", d.Source)
	a.fact("key", d.Key)
	a.fact("redriven from", d.RedrivenFrom)
	a.fact("value", string(d.Value))
}

func (a *app) queueRedrive() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use: "redrive QUEUE [ID...]", Short: "Make dead letters messages again", Args: some("a queue's name"), ValidArgsFunction: a.completeQueue,
		RunE: func(c *cobra.Command, args []string) error {
			if all == (len(args) > 1) {
				return usagef("%s needs either ids or -all: taskhost queue dead %s lists the ids", c.CommandPath(), args[0])
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			r, err := api.Redrive(c.Context(), args[0], admin.Redrive{IDs: args[1:], All: all})
			if err != nil {
				return err
			}
			err = a.emit(r, func() {
				if a.quiet {
					for _, id := range r.Moved {
						a.line("%s", id)
					}
					return
				}
				a.line("%s  %s back in the queue", args[0], plural(len(r.Moved), "dead letter"))
			})
			if err == nil && r.Error != nil {
				err = fmt.Errorf("the others stay dead letters: %w", r.Error)
			}
			return err
		},
	}
	c.Flags().BoolVar(&all, "all", false, "all dead letters of the queue")
	return c
}

func (a *app) queuePurge() *cobra.Command {
	var dead bool
	var yes string
	c := &cobra.Command{
		Use: "purge QUEUE", Short: "Delete for good the messages of a queue that nobody works on, or its dead letters", Args: exactly("a queue's name"), ValidArgsFunction: a.completeQueue,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			q, err := api.Queue(c.Context(), args[0])
			if err != nil {
				return err
			}
			what := plural(q.Depth-q.InFlight, "message")
			if dead {
				what = plural(q.Dead, "dead letter")
			}
			if err := a.confirmName(q.Name, yes, "this deletes "+what+" of "+q.Name+" for good"); err != nil {
				return err
			}
			n, err := api.Purge(c.Context(), q.Name, dead)
			if err != nil {
				return err
			}
			return a.emit(admin.Purged{Purged: n}, func() { a.line("%s  %d deleted", q.Name, n) })
		},
	}
	c.Flags().BoolVar(&dead, "dead", false, "the dead letters in place of the messages")
	c.Flags().StringVar(&yes, "yes", "", "the queue's name once more, for scripts that nobody watches")
	return c
}

// confirmName lets a person type the name of what is to be deleted; yes is the name, typed before.
func (a *app) confirmName(name, yes, what string) error {
	if yes == "" && a.TTY {
		fmt.Fprintf(a.Err, "%s; type its name to go on: ", what)
		typed, err := a.readLine()
		if err != nil {
			return err
		}
		if typed != name {
			a.say("that is not its name; nothing was done")
			return &Silent{ExitFailed}
		}
		return nil
	}
	if yes != name {
		return usagef("%s; confirm it with -yes=%s", what, name)
	}
	return nil
}

// isFull reports whether the refusal is that of a full queue.
func isFull(err error) bool {
	p, ok := errors.AsType[*admin.Problem](err)
	return ok && p.Code == codeQueueFull
}
