package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

func (a *app) eventsCommand() *cobra.Command {
	var q admin.EventQuery
	c := &cobra.Command{
		Use: "events", Short: "Show what changes, as it happens; goes on where it was when the host comes back", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			for e, err := range api.Follow(c.Context(), q, a.sayLost()) {
				if err != nil {
					return err
				}
				err := a.emit(e, func() {
					a.line("%s  %s", a.clock(e.At), admin.Printable(oneLine(eventText(e))))
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&q.Topic, "topic", "", "only task, run, slot, state, queue or host; several with commas")
	f.StringVar(&q.Task, "task", "", "only of this task")
	f.Uint64Var(&q.After, "after", 0, "first those after this event")
	f.BoolP("follow", "f", true, "go on with what comes; events always do")
	f.MarkHidden("follow")
	c.RegisterFlagCompletionFunc("topic", cobra.FixedCompletions([]string{"task", "run", "slot", "state", "queue", "host"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// sayLost says why a stream broke, once for the same reason.
func (a *app) sayLost() func(error) {
	said := ""
	return func(err error) {
		if text := err.Error(); text != said {
			said = text
			a.say("taskhost: %s; waiting for the host", printableLines(text))
		}
	}
}

// eventText is an event's parts, those that it has.
func eventText(e admin.Event) string {
	parts := slices.DeleteFunc([]string{e.Topic, e.Kind, e.Task, e.Run, e.Text}, func(p string) bool { return p == "" })
	return strings.Join(parts, "  ")
}
