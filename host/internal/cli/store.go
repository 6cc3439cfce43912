package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

// StoreCommands look after a store without asking a host.
type StoreCommands struct {
	Info  func(ctx context.Context, at StoreAt) (StoreInfo, error)
	Check func(ctx context.Context, at StoreAt) (StoreCheck, error)
	// Backup writes the copy and returns what it holds; so does Restore.
	Backup  func(ctx context.Context, at StoreAt, to string, force bool, progress Copied) (StoreInfo, error)
	Restore func(ctx context.Context, at StoreAt, from string, progress Copied) (StoreInfo, error)
}

// Copied is told how many bytes of about how many have been copied.
type Copied func(done, about int64)

// StoreAt says whose store is meant: that of a data directory, or of the one that a configuration names.
type StoreAt struct {
	Sources
	DataDir string
	Err     io.Writer // for the problems of the configuration
	Color   bool
}

// StoreInfo is what a store holds.
type StoreInfo struct {
	Path        string       `json:"path"`
	Format      int          `json:"format"`
	Newest      int          `json:"newest_format"` // that this version writes
	Bytes       int64        `json:"bytes"`
	Written     admin.Time   `json:"written_at"`
	Commits     uint64       `json:"commits"`
	Engine      string       `json:"engine"`
	Runs        int64        `json:"runs"`
	Live        int64        `json:"live_runs"`
	Oldest      admin.Time   `json:"oldest_run_at,omitzero"`
	Slots       int64        `json:"slots"`
	Tasks       int64        `json:"tasks"`
	Overrides   int64        `json:"overrides"`
	Checkpoints int64        `json:"checkpoint_values"`
	RunValues   int64        `json:"run_values"`
	Published   int64        `json:"published_values"`
	Events      int64        `json:"events"`
	Queues      []StoreQueue `json:"queues"`
	IDs         int64        `json:"message_ids"`
}

// StoreQueue is what a store holds of one queue.
type StoreQueue struct {
	Name        string `json:"name"`
	Messages    int64  `json:"messages"`
	DeadLetters int64  `json:"dead_letters"`
}

// StoreCheck is what a check found.
type StoreCheck struct {
	Path     string   `json:"path"`
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"` // each with its place in the file
}

func (a *app) storeCommand() *cobra.Command {
	return parent("store", "Look after the store on this machine, without asking a host", a.storeInfo(), a.storeCheck(), a.storeBackup(), a.storeRestore())
}

// storeVerb adds the flags that say whose store is meant.
func (a *app) storeVerb(c *cobra.Command, run func(c *cobra.Command, at StoreAt, args []string) error) *cobra.Command {
	var at StoreAt
	at.flags(c)
	c.Flags().StringVar(&at.DataDir, "data-dir", "", "the host's data directory, in place of a configuration")
	if err := c.MarkFlagDirname("data-dir"); err != nil {
		panic(err) // the flag has just been made
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case at.DataDir == "":
			if err := at.read(nil); err != nil {
				return fmt.Errorf("%w, or the data directory with -data-dir", err)
			}
		case len(at.Config)+len(at.Vars)+len(at.VarFiles) > 0:
			return usagef("-data-dir names the store already; leave out the configuration")
		}
		at.Err, at.Color = a.Err, a.colored()
		return run(c, at, args)
	}
	return c
}

func (a *app) storeInfo() *cobra.Command {
	c := &cobra.Command{Use: "info", Short: "Show what the store holds; a host may run on it", Args: exactly()}
	return a.storeVerb(c, func(c *cobra.Command, at StoreAt, _ []string) error {
		i, err := a.commands.Store.Info(c.Context(), at)
		if err != nil {
			return err
		}
		return a.emit(i, func() { a.showStore(i) })
	})
}

func (a *app) showStore(i StoreInfo) {
	if a.quiet {
		a.line("%s", i.Path)
		return
	}
	a.line("%s", i.Path)
	format := strconv.Itoa(i.Format)
	if i.Format < i.Newest {
		format += fmt.Sprintf("; the next host brings it to %d", i.Newest)
	}
	a.fact("format", format+"  SQLite "+i.Engine)
	a.fact("size", sizeText(i.Bytes)+"  written "+a.clock(i.Written))
	a.fact("commits", strconv.FormatUint(i.Commits, 10))
	runs := fmt.Sprintf("%d ended, %d live", i.Runs, i.Live)
	if !i.Oldest.IsZero() {
		runs += ", the oldest of " + a.clock(i.Oldest)
	}
	a.fact("runs", runs)
	a.fact("slots", fmt.Sprintf("%s of slots that did not run", plural(int(i.Slots), "record")))
	a.fact("tasks", fmt.Sprintf("%d remembered, %d with overrides", i.Tasks, i.Overrides))
	a.fact("values", fmt.Sprintf("%d in checkpoints, %d of live runs, %d published", i.Checkpoints, i.RunValues, i.Published))
	a.fact("events", strconv.FormatInt(i.Events, 10))
	a.fact("message ids", strconv.FormatInt(i.IDs, 10)+" remembered")
	if len(i.Queues) == 0 {
		return
	}
	t := newTable("QUEUE", "MESSAGES", "DEAD LETTERS")
	for _, q := range i.Queues {
		t.add(q.Name, strconv.FormatInt(q.Messages, 10), strconv.FormatInt(q.DeadLetters, 10))
	}
	t.write(a)
}

func (a *app) storeCheck() *cobra.Command {
	c := &cobra.Command{Use: "check", Short: "Read everything in the store and name what is damaged; a host may run on it", Args: exactly()}
	return a.storeVerb(c, func(c *cobra.Command, at StoreAt, _ []string) error {
		found, err := a.commands.Store.Check(c.Context(), at)
		if err != nil {
			return err
		}
		err = a.emit(found, func() {
			for _, p := range found.Problems {
				a.line("%s: %s", found.Path, admin.Printable(p))
			}
			if found.OK && !a.quiet {
				a.line("%s  everything in it is well", found.Path)
			}
		})
		if err == nil && !found.OK {
			return &Silent{ExitFailed}
		}
		return err
	})
}

func (a *app) storeBackup() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "backup FILE", Short: "Copy the store as it is at one moment, and check the copy; a host may run on it", Args: exactly("a file to write"),
		Example: "    taskhost store backup -data-dir /var/lib/taskhost /backup/taskhost-$(date +%F).db",
	}
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	return a.storeVerb(c, func(c *cobra.Command, at StoreAt, args []string) error {
		p, progress := a.copying("backup")
		i, err := a.commands.Store.Backup(c.Context(), at, args[0], force, progress)
		p.close()
		if err != nil {
			return err
		}
		return a.emit(i, func() { a.sayCopied(i, "holds the store as it was just now") })
	})
}

func (a *app) storeRestore() *cobra.Command {
	c := &cobra.Command{
		Use: "restore FILE", Short: "Put a copy into a data directory that has no store; no host may run there", Args: exactly("a file that store backup wrote"),
		Example: "    taskhost store restore -data-dir /var/lib/taskhost-new /backup/taskhost-2026-03-01.db",
	}
	return a.storeVerb(c, func(c *cobra.Command, at StoreAt, args []string) error {
		p, progress := a.copying("restore")
		i, err := a.commands.Store.Restore(c.Context(), at, args[0], progress)
		p.close()
		if err != nil {
			return err
		}
		return a.emit(i, func() {
			a.sayCopied(i, "is restored, as it was when the copy was made")
			if !a.quiet {
				a.say("its checkpoints, messages and slots are older than the world: what was done since then is not known to it, and may be done again")
			}
		})
	})
}

func (a *app) sayCopied(i StoreInfo, what string) {
	if a.quiet {
		a.line("%s", i.Path)
		return
	}
	messages := int64(0)
	for _, q := range i.Queues {
		messages += q.Messages
	}
	a.line("%s  %s: %s, %d runs, %d messages, %d commits", i.Path, what, sizeText(i.Bytes), i.Runs+i.Live, messages, i.Commits)
}

// copying shows on a terminal how a copy grows.
func (a *app) copying(what string) (*progress, Copied) {
	p := &progress{a: a}
	if !a.TTY || a.json || a.quiet {
		return p, nil
	}
	return p, func(done, about int64) {
		if about > 0 {
			p.redraw(fmt.Sprintf("%s  %s  %s of %s", what, bar(time.Duration(done), time.Duration(about)), sizeText(done), sizeText(about)))
		}
	}
}

// sizeText is a size for people.
func sizeText(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.size), u.name)
		}
	}
	return strconv.FormatInt(n, 10) + " B"
}
