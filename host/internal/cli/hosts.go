package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

func (a *app) hostCommand() *cobra.Command {
	return parent("host", "Show and command the host", a.hostStatus(), a.hostPause(), a.hostResume(), a.hostDrain(), a.hostShutdown())
}

func (a *app) hostStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show what the host says of itself", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			h, err := api.Host(c.Context())
			if err != nil {
				return err
			}
			return a.emit(h, func() { a.showHost(h, api.Address()) })
		},
	}
}

func (a *app) showHost(h admin.Host, addr string) {
	a.line("taskhost %s  %s", h.Version, a.paint(h.State))
	if h.Paused != nil {
		a.fact(h.State+" by", overrideText(*h.Paused))
	}
	for _, r := range h.Health.Reasons {
		a.fact("degraded", r.Text)
	}
	process := "since " + a.clock(h.Started)
	if h.PID > 0 { // it is not told to a token for a part of the host
		process = strconv.Itoa(h.PID) + "  " + process
	}
	a.fact("process", process)
	a.fact("generation", strings.TrimSpace(fmt.Sprintf("%d  %.12s", h.Generation, h.Digest)))
	a.fact("config", strings.Join(h.Config, " "))
	a.fact("data", h.DataDir)
	if h.Store == "memory" {
		a.fact("store", "memory: history, checkpoints and overrides end with the host")
	} else {
		a.fact("store", h.Store)
	}
	a.fact("time zone", h.TimeZone)
	a.fact("listens on", strings.Join(h.Listen, " "))
	a.fact("reached at", addr)
	var parts []string
	total := 0
	for _, s := range stateOrder {
		if n := h.Tasks[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
			total += n
		}
	}
	a.fact("tasks", plural(total, "task")+": "+strings.Join(parts, ", "))
	a.fact("live runs", strconv.Itoa(h.Live))
	if h.Overrides > 0 {
		a.fact("overrides", strconv.Itoa(h.Overrides)+"; taskhost task overrides lists them")
	}
}

// sayHost is the host after a verb.
func (a *app) sayHost(r admin.HostResult) {
	text := "host  " + a.paint(r.State)
	switch {
	case !r.Changed:
		text += "  was already so"
	case r.Live > 0 && r.State != "running":
		text += "  " + plural(r.Live, "live run")
	}
	a.line("%s", text)
}

func (a *app) hostPause() *cobra.Command {
	var reason string
	until := instant{a: a}
	c := &cobra.Command{
		Use: "pause", Short: "Turn all schedules off; what runs goes on", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			r, err := api.PauseHost(c.Context(), admin.Pause{Reason: reason, Until: admin.At(until.at)})
			if err != nil {
				return err
			}
			return a.emit(r, func() { a.sayHost(r) })
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for those who come later")
	c.Flags().Var(&until, "until", "when it ends by itself: a time, or 2h")
	return c
}

func (a *app) hostResume() *cobra.Command {
	var body admin.Resume
	c := &cobra.Command{
		Use: "resume", Short: "End a pause or a drain of the host", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			r, err := api.ResumeHost(c.Context(), body)
			if err != nil {
				return err
			}
			return a.emit(r, func() { a.sayHost(r) })
		},
	}
	c.Flags().BoolVar(&body.CatchUp, "catch-up", false, "run the slots that were skipped meanwhile, as catch_up says")
	return c
}

func (a *app) hostDrain() *cobra.Command {
	var reason string
	var wait length
	c := &cobra.Command{
		Use: "drain", Short: "Let live runs finish and start nothing new", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			step, end := wait.d, a.deadline(wait.d)
			if wait.d > 0 {
				step = part(end)
			}
			for {
				r, done, err := api.DrainHost(c.Context(), admin.Verb{Reason: reason}, step)
				if err != nil {
					return err
				}
				if done || wait.d == 0 {
					return a.emit(r, func() { a.sayHost(r) })
				}
				if over(end) {
					return &waitError{"the wait ran out: " + plural(r.Live, "run") + " still live"}
				}
				step = part(end)
			}
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for those who come later")
	addWait(c, &wait)
	return c
}

func (a *app) hostShutdown() *cobra.Command {
	var body admin.Verb
	var yes bool
	c := &cobra.Command{
		Use: "shutdown", Short: "End the host, its runs by the ladder", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := (&verbFlags{body: body}).check(); err != nil {
				return err
			}
			if err := a.confirm(yes, "end the host and every run?"); err != nil {
				return err
			}
			api, err := a.host()
			if err != nil {
				return err
			}
			r, err := api.ShutdownHost(c.Context(), body)
			if err != nil {
				return err
			}
			return a.emit(r, func() { a.sayHost(r) })
		},
	}
	c.Flags().StringVar(&body.Mode, "mode", "", "the stage in which it begins: graceful (drain), hard (cancel) or kill")
	c.Flags().StringVar(&body.Reason, "reason", "", "why, for those who come later")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func (a *app) pluginCommand() *cobra.Command {
	return parent("plugin", "Show plugins, pin their binaries, and begin new ones", a.pluginList(), a.pluginDescribe(), a.pluginHash(), a.pluginLock(), a.pluginVerify(), a.pluginNew())
}

func (a *app) pluginList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List plugins with their types", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			l, err := api.Plugins(c.Context())
			if err != nil {
				return err
			}
			return emitAll(a, l.Items, func(p admin.Plugin) string { return p.Name }, func() {
				t := newTable("PLUGIN", "VERSION", "TYPES", "TASKS", "SHA256", "NOTE")
				for _, p := range l.Items {
					var types []string
					for _, typ := range p.Types {
						types = append(types, typ.Name)
					}
					t.add(p.Name, p.Version, strings.Join(types, ", "), strconv.Itoa(len(p.Tasks)), fmt.Sprintf("%.12s", p.Digest), p.Error)
				}
				t.write(a)
			})
		},
	}
}

func (a *app) pluginDescribe() *cobra.Command {
	return &cobra.Command{
		Use: "describe NAME", Short: "Show what a plugin serves and takes", Args: exactly("a plugin's name"), ValidArgsFunction: a.completePlugin,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			p, err := api.Plugin(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.emit(p, func() { a.showPlugin(p) })
		},
	}
}
