package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

func (a *app) tokenCommand() *cobra.Command {
	return parent("token", "Make, list and revoke tokens for callers over TCP", a.tokenCreate(), a.tokenList(), a.tokenRevoke())
}

func (a *app) tokenCreate() *cobra.Command {
	var n admin.NewToken
	var labels []string
	expires := instant{a: a}
	c := &cobra.Command{
		Use: "create NAME", Short: "Make a token; its text is printed to stdout, this once", Args: exactly("a name"),
		Example: "    taskhost token create board -role viewer -expires 90d\n" +
			"    taskhost token create ci -role operator -tasks 'deploy,site.*' > ci.token\n" +
			"    taskhost token create shop -role producer -queues orders",
		RunE: func(c *cobra.Command, args []string) error {
			n.Name, n.Expires = args[0], admin.At(expires.at)
			var err error
			if n.Labels, err = labelPairs(labels); err != nil {
				return err
			}
			if n.Role == "" {
				return usagef("token create needs -role: viewer, operator, admin or producer")
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			t, err := api.CreateToken(c.Context(), n)
			if err != nil {
				return err
			}
			return a.emit(t, func() {
				a.line("%s", t.Secret)
				a.say("token %s  %s  %s; it is shown this once", t.Name, t.Role, scopeWord(t.Token))
			})
		},
	}
	f := c.Flags()
	f.StringVar(&n.Role, "role", "", "viewer, operator, admin or producer")
	f.StringSliceVar(&n.Tasks, "tasks", nil, "only these tasks, with their runs, logs and values; block.* is every instance of a block")
	f.StringArrayVar(&labels, "label", nil, "only tasks with the label KEY=VALUE; may be repeated, all must be there")
	f.StringSliceVar(&n.Queues, "queues", nil, "only these queues; a producer without has those with ingress = true")
	f.Var(&expires, "expires", "when it ends: a time, or 90d")
	f.StringVar(&n.Reason, "reason", "", "what it is for, for those who come later")
	return c
}

// scopeWord is what a token is for.
func scopeWord(t admin.Token) string {
	var parts []string
	if len(t.Tasks) > 0 {
		parts = append(parts, "tasks "+strings.Join(t.Tasks, ", "))
	}
	for _, k := range slices.Sorted(maps.Keys(t.Labels)) {
		parts = append(parts, fmt.Sprintf("label %s=%s", k, t.Labels[k]))
	}
	switch {
	case len(t.Queues) > 0:
		parts = append(parts, "queues "+strings.Join(t.Queues, ", "))
	case t.Role == "producer":
		parts = append(parts, "queues with ingress = true")
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, "; ")
}

func (a *app) tokenList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List tokens: for what, until when, and when last used", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			l, err := api.Tokens(c.Context())
			if err != nil {
				return err
			}
			return emitAll(a, l.Items, func(t admin.Token) string { return t.Name }, func() {
				table := newTable("TOKEN", "ROLE", "FOR", "EXPIRES", "LAST USED", "MADE BY", "REASON")
				for _, t := range l.Items {
					table.add(t.Name, t.Role, scopeWord(t), a.expiry(t), a.clock(t.Used), t.By, t.Reason)
				}
				table.write(a)
			})
		},
	}
}

// expiry is when a token ends, or that it has.
func (a *app) expiry(t admin.Token) string {
	switch {
	case t.Expires.IsZero():
		return "never"
	case !t.Expires.After(a.Now()):
		return "expired"
	}
	return a.clock(t.Expires)
}

func (a *app) tokenRevoke() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "revoke NAME...", Short: "Revoke tokens at once, also for streams that go on with them", Args: some("a name"), ValidArgsFunction: a.completeToken,
		RunE: func(c *cobra.Command, names []string) error {
			if err := a.confirm(yes, "revoke %s?", strings.Join(names, ", ")); err != nil {
				return err
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			return each(names, func(name string) error {
				if err := api.RevokeToken(c.Context(), name); err != nil {
					return err
				}
				return a.emit(map[string]any{"name": name, "revoked": true}, func() { a.line("%s  revoked", admin.Printable(name)) })
			}, a.sayError)
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func (a *app) completeToken(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.names(c, func(ctx context.Context, api *admin.Client) []string {
		l, err := api.Tokens(ctx)
		if err != nil {
			return nil
		}
		var names []string
		for _, t := range l.Items {
			names = append(names, t.Name+"\t"+t.Role+", "+scopeWord(t))
		}
		return names
	})
}
