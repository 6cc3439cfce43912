package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

// completeTime is how long a shell waits for names; without an answer it completes nothing.
const completeTime = 2 * time.Second

// names asks the host for the words that may stand here.
func (a *app) names(c *cobra.Command, ask func(ctx context.Context, api *admin.Client) []string) ([]string, cobra.ShellCompDirective) {
	parent := c.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, completeTime)
	defer cancel()
	api, err := a.host()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return ask(ctx, api), cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeTasks(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	return a.names(c, func(ctx context.Context, api *admin.Client) []string {
		tasks, err := api.AllTasks(ctx, admin.TaskQuery{})
		if err != nil {
			return nil
		}
		var names []string
		for _, t := range tasks {
			names = append(names, t.Name+"\t"+t.ModeText+", "+t.State)
		}
		return names
	})
}

// completeTask completes the first argument only.
func (a *app) completeTask(c *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.completeTasks(c, args, prefix)
}

func (a *app) completeRun(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.names(c, func(ctx context.Context, api *admin.Client) []string {
		l, err := api.Runs(ctx, admin.RunQuery{Limit: 50})
		if err != nil {
			return nil
		}
		var ids []string
		for _, r := range l.Items {
			ids = append(ids, r.ID+"\t"+r.Task+" "+runWord(r))
		}
		return ids
	})
}

func (a *app) completePlugin(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.names(c, func(ctx context.Context, api *admin.Client) []string {
		l, err := api.Plugins(ctx)
		if err != nil {
			return nil
		}
		var names []string
		for _, p := range l.Items {
			names = append(names, p.Name)
		}
		return names
	})
}
