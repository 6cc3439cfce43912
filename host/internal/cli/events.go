package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

func (a *app) eventsCommand() *cobra.Command {
	var q admin.EventQuery
	since := instant{a: a, back: true}
	follow := true
	c := &cobra.Command{
		Use: "events", Short: "Show what changes, as it happens; goes on where it was when the host comes back", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			q.Since, q.Known = since.at, !follow
			switch {
			case q.After > 0 && !q.Since.IsZero():
				return usagef("-after and -since both say where to begin; leave one out")
			case q.Known && q.After == 0 && q.Since.IsZero():
				return usagef("-follow=false shows only what is known; say from when, with -since or -after")
			}
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
	f.StringVar(&q.Topic, "topic", "", "only task, run, slot, state, queue, config or host; several with commas")
	f.StringVar(&q.Task, "task", "", "only of this task")
	f.Uint64Var(&q.After, "after", 0, "first those after this event")
	f.Var(&since, "since", "first those from then on: a time, or 10m for as long; as far back as the host knows them")
	f.BoolVarP(&follow, "follow", "f", true, "go on with what comes; -follow=false ends with what is known")
	c.RegisterFlagCompletionFunc("topic", cobra.FixedCompletions([]string{"task", "run", "slot", "state", "queue", "config", "host"}, cobra.ShellCompDirectiveNoFileComp))
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
