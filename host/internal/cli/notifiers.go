package cli

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

// testTime bounds the wait for a test message: the longest that a notifier may take for one try.
const testTime = 10 * time.Minute

func (a *app) notifiersCommand() *cobra.Command {
	return parent("notifiers", "Show who is told when tasks fail, and try whether messages arrive", a.notifiersList(), a.notifiersTest())
}

func (a *app) completeNotifier(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.names(c, func(ctx context.Context, api *admin.Client) []string {
		l, err := api.Notifiers(ctx)
		if err != nil {
			return nil
		}
		var names []string
		for _, n := range l.Items {
			names = append(names, n.Name+"\t"+n.Way)
		}
		return names
	})
}

func (a *app) notifiersList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the notifiers with what they have sent", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			l, err := api.Notifiers(c.Context())
			if err != nil {
				return err
			}
			return emitAll(a, l.Items, func(n admin.Notifier) string { return n.Name }, func() {
				t := newTable("NAME", "WAY", "ON", "TASKS", "SENT", "WAITING", "DEAD", "LAST", "")
				for _, n := range l.Items {
					t.add(n.Name, n.Way, strings.Join(n.On, ", "), chosenText(n), strconv.Itoa(n.Sent), strconv.Itoa(n.Waiting), strconv.Itoa(n.DeadLetters), a.lastSent(n), lastError(n))
				}
				t.write(a)
			})
		},
	}
}

// chosenText is which tasks a notifier is for.
func chosenText(n admin.Notifier) string {
	parts := append([]string{}, n.Tasks...)
	for _, key := range slices.Sorted(maps.Keys(n.Labels)) {
		parts = append(parts, key+"="+n.Labels[key])
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}

func (a *app) lastSent(n admin.Notifier) string {
	if n.Last == nil {
		return ""
	}
	return a.clock(n.Last.At)
}

func lastError(n admin.Notifier) string {
	if n.Last == nil || n.Last.Delivered {
		return ""
	}
	return clip(n.Last.Error)
}

func (a *app) notifiersTest() *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Send a test message at once, and say whether it arrived", Args: exactly("a notifier's name"), ValidArgsFunction: a.completeNotifier,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			d, err := api.TestNotifier(c.Context(), args[0], testTime)
			if err != nil {
				return err
			}
			err = a.emit(d, func() {
				if d.Delivered {
					a.line("%s  delivered in %s", args[0], short(d.Took.Duration()))
				} else {
					a.line("%s  %s", args[0], admin.Printable("not delivered: "+d.Error))
				}
			})
			if err == nil && !d.Delivered {
				err = &Silent{ExitFailed}
			}
			return err
		},
	}
}
