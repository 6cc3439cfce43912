package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

func (a *app) planCommand() *cobra.Command {
	var detailed bool
	c := &cobra.Command{
		Use: "plan", Short: "Show what a reload would do; nothing changes", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := a.plan(c, 0)
			switch {
			case err != nil && detailed: // other codes have a meaning here
				fmt.Fprintln(a.Err, "taskhost: "+printableLines(err.Error()))
				return &Silent{ExitFailed}
			case err != nil:
				return err
			case detailed && (p.Changed || len(p.Host) > 0):
				return &Silent{exitChanges}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit 0 when nothing would change, 1 on an error, 2 when something would change")
	return c
}

// exitChanges is the exit code of plan -detailed-exitcode when something would change.
const exitChanges = 2

// plan asks for a plan and shows it.
func (a *app) plan(c *cobra.Command, generation int) (admin.Plan, error) {
	api, err := a.host()
	if err != nil {
		return admin.Plan{}, err
	}
	p, err := api.Plan(c.Context(), generation)
	if err != nil {
		return p, err
	}
	return p, a.emit(p, func() {
		if a.quiet {
			a.line("%s", p.ID)
			return
		}
		a.showChanges(p.Tasks, p.Groups, p.Queues, p.Notices, p.Plugins, p.Host)
		a.line("plan %s against generation %d: %s", p.ID, p.Generation, p.Summary)
	})
}

func (a *app) reloadCommand() *cobra.Command {
	var body admin.Apply
	var generation int
	c := &cobra.Command{
		Use: "reload", Short: "Let the host read its files again; all of it holds then, or nothing changes", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			done, err := api.Apply(c.Context(), body, generation)
			if err != nil {
				return err
			}
			return a.emit(done, func() { a.showApplied(done) })
		},
	}
	f := c.Flags()
	f.StringVar(&body.Plan, "plan-id", "", "do what this plan showed, or nothing")
	f.IntVar(&generation, "if-generation", 0, "only while this generation holds")
	f.StringVar(&body.Reason, "reason", "", "why, for those who come later")
	return c
}

func (a *app) showApplied(done admin.Applied) {
	p := done.Plan
	if a.quiet {
		a.line("%d", done.Generation)
		return
	}
	a.showChanges(p.Tasks, p.Groups, p.Queues, p.Notices, p.Plugins, p.Host)
	for _, d := range p.Warnings {
		a.say("%s", printableLines(d.Text()))
	}
	if !done.Changed {
		a.line("generation %d: nothing has changed", done.Generation)
		return
	}
	a.line("generation %d: %s", done.Generation, p.Summary)
}

func (a *app) configCommand() *cobra.Command {
	return parent("config", "Show the configuration that holds, and those before it", a.configShow(), a.configGenerations(), a.configDiff(), a.configRollback())
}

func (a *app) configShow() *cobra.Command {
	return &cobra.Command{
		Use: "show [GENERATION]", Short: "Show which configuration holds, or what a generation says", Args: between(0, "GENERATION"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				now, err := api.Config(c.Context())
				if err != nil {
					return err
				}
				return a.emit(now, func() { a.showHolding(now) })
			}
			n, err := generationNumber(args[0])
			if err != nil {
				return err
			}
			g, err := api.Generation(c.Context(), n)
			if err != nil {
				return err
			}
			return a.emit(g, func() { a.showGeneration(g) })
		},
	}
}

func generationNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, usagef("%q is no number of a generation; taskhost config generations lists them", text)
	}
	return n, nil
}

func (a *app) showHolding(c admin.Config) {
	a.fact("generation", fmt.Sprintf("%d  %.12s", c.Generation, c.Digest))
	a.fact("holds since", a.clock(c.Applied)+"  by "+cmp.Or(c.By, c.How)+ofText(c.Of))
	a.fact("files", strings.Join(c.Files, " "))
	a.fact("declares", fmt.Sprintf("%s, %s, %s", plural(c.Tasks, "task"), plural(c.Groups, "group"), plural(c.Queues, "queue")))
	for _, p := range c.Plugins {
		a.fact("plugin", strings.TrimSpace(fmt.Sprintf("%s %s  %.12s", p.Name, p.Version, p.Digest)))
	}
	if len(c.Drift.Files) > 0 {
		a.fact("changed", strings.Join(c.Drift.Files, " ")+"; taskhost plan shows what would come of it")
	}
	if len(c.Drift.Plugins) > 0 {
		a.fact("other binary", strings.Join(c.Drift.Plugins, " ")+"; taskhost plan shows what would come of it")
	}
	for _, p := range c.Pending {
		a.fact("after a start", "host."+changeText(p))
	}
	if r := c.LastReload; r != nil {
		text := "ok"
		if !r.OK {
			text = r.Error
		}
		a.fact("last reload", a.clock(r.At)+"  by "+r.By+"  "+text)
		for _, d := range r.Diagnostics {
			a.line("%s", printableLines(d.Text()))
		}
	}
}

func ofText(of int) string {
	if of == 0 {
		return ""
	}
	return fmt.Sprintf(", with the files of generation %d", of)
}

func (a *app) showGeneration(g admin.GenerationDetail) {
	a.fact("generation", fmt.Sprintf("%d  %.12s", g.Number, g.Digest))
	a.fact("applied", a.clock(g.Applied)+"  by "+cmp.Or(g.By, g.How)+ofText(g.Of))
	if g.Reason != "" {
		a.fact("reason", g.Reason)
	}
	if ch := g.Changes; ch != nil {
		a.fact("changes", g.Summary)
		a.showChanges(ch.Tasks, ch.Groups, ch.Queues, ch.Notices, ch.Plugins, ch.Host)
	}
	text, err := json.MarshalIndent(g.Config, "", "  ")
	if err == nil {
		a.line("%s", printableLines(string(text)))
	}
}

func (a *app) configGenerations() *cobra.Command {
	return &cobra.Command{
		Use: "generations", Short: "List the configurations that hold and held", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			l, err := api.Generations(c.Context())
			if err != nil {
				return err
			}
			return emitAll(a, l.Items, func(g admin.Generation) string { return strconv.Itoa(g.Number) }, func() {
				t := newTable("GENERATION", "APPLIED", "HOW", "BY", "CHANGES")
				for _, g := range l.Items {
					number := strconv.Itoa(g.Number)
					if g.Holds {
						number += " *"
					}
					how := g.How
					if g.Of > 0 {
						how += " to " + strconv.Itoa(g.Of)
					}
					t.add(number, a.clock(g.Applied), how, g.By, g.Summary)
				}
				t.write(a)
			})
		},
	}
}

func (a *app) configDiff() *cobra.Command {
	return &cobra.Command{
		Use: "diff GENERATION [GENERATION]", Short: "Show how a generation differs from another one, or from the one that holds", Args: between(1, "GENERATION", "GENERATION"),
		RunE: func(c *cobra.Command, args []string) error {
			var numbers [2]int
			for i, text := range args {
				var err error
				if numbers[i], err = generationNumber(text); err != nil {
					return err
				}
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			d, err := api.GenerationDiff(c.Context(), numbers[0], numbers[1])
			if err != nil {
				return err
			}
			return a.emit(d, func() {
				a.showChanges(d.Tasks, d.Groups, d.Queues, d.Notices, d.Plugins, d.Host)
				a.line("generation %d to %d: %s", d.From, d.To, d.Summary)
			})
		},
	}
}

func (a *app) configRollback() *cobra.Command {
	var body admin.Rollback
	var dry bool
	var generation int
	c := &cobra.Command{
		Use: "rollback GENERATION", Short: "Let the files of an earlier generation hold again, as a new generation", Args: exactly("GENERATION"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if body.Generation, err = generationNumber(args[0]); err != nil {
				return err
			}
			if dry {
				_, err := a.plan(c, body.Generation)
				return err
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			done, err := api.Rollback(c.Context(), body, generation)
			if err != nil {
				return err
			}
			return a.emit(done, func() {
				a.showApplied(done)
				if !a.quiet {
					a.say("the files on the disk say something else now; the next reload or start reads them")
				}
			})
		},
	}
	f := c.Flags()
	f.BoolVar(&dry, "dry-run", false, "show what it would do; nothing changes")
	f.IntVar(&generation, "if-generation", 0, "only while this generation holds")
	f.StringVar(&body.Reason, "reason", "", "why, for those who come later")
	return c
}

// signs stand before what a plan says of one thing.
var signs = map[string]string{admin.Added: "+", admin.Removed: "-", admin.Renamed: ">", admin.Restart: "!", admin.NextRun: "~", admin.Live: "~"}

func wordOf(change string) string { return strings.ReplaceAll(change, "_", " ") }

// showChanges writes what differs, each thing with its attributes below it.
func (a *app) showChanges(tasks []admin.TaskChange, groups, queues, notices []admin.ItemChange, plugins []admin.Binary, host []admin.Changed) {
	for _, t := range tasks {
		if t.Change == admin.NoChange {
			continue
		}
		from := ""
		if t.From != "" {
			from = " (was " + t.From + ")"
		}
		a.change(t.Change, "task "+t.Task+from, t.Attributes)
		if before, after := a.times(t.SlotsBefore), a.times(t.SlotsAfter); before != after {
			a.line("      next slots  %s → %s", cmp.Or(before, "none"), cmp.Or(after, "none"))
		}
		for _, r := range t.Runs {
			a.line("      run %s (%s) %s", r.ID, r.State, r.Effect)
		}
	}
	for _, i := range groups {
		a.change(i.Change, "group "+i.Name, i.Attributes)
	}
	for _, i := range queues {
		a.change(i.Change, "queue "+i.Name, i.Attributes)
	}
	for _, i := range notices {
		a.change(i.Change, i.Name, i.Attributes)
	}
	for _, p := range plugins {
		a.change(p.Change, fmt.Sprintf("plugin %s  %s → %s", p.Name, binaryText(p.OldVersion, p.Old), binaryText(p.NewVersion, p.New)), nil)
	}
	if len(host) > 0 {
		a.line("  ! host  new start of the host")
		for _, c := range host {
			a.line("      %s", admin.Printable(changeText(c)))
		}
	}
}

func (a *app) change(change, what string, attributes []admin.Changed) {
	a.line("  %s %s  %s", signs[change], admin.Printable(what), wordOf(change))
	for _, c := range attributes {
		a.line("      %s  (%s)", admin.Printable(changeText(c)), wordOf(c.Class))
	}
}

func (a *app) times(slots []admin.Time) string {
	texts := make([]string, 0, len(slots))
	for _, at := range slots {
		texts = append(texts, a.clock(at))
	}
	return strings.Join(texts, ", ")
}

func binaryText(version, digest string) string {
	if digest == "" {
		return "none"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %.12s", version, digest))
}

// changeText is one attribute as "timeout: 10s → 1m".
func changeText(c admin.Changed) string {
	if c.Path == "plugin (binary)" {
		return fmt.Sprintf("%s: %.12v → %.12v", c.Path, c.Old, c.New)
	}
	return fmt.Sprintf("%s: %s → %s", c.Path, valueText(c.Old), valueText(c.New))
}

func valueText(v any) string {
	if v == nil {
		return "–"
	}
	if text, ok := v.(string); ok {
		return text
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
