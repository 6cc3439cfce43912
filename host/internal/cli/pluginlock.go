package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
)

// PluginCommands pin the binaries of a configuration without asking a host.
type PluginCommands struct {
	Hash func(path string) (string, error)
	// Lock writes the lock file and returns its path and what it says now; Verify compares it with the binaries. Both
	// return a *Silent error when the configuration has errors and they have told of them.
	Lock   func(ctx context.Context, o PluginLockOptions) (path string, pins []PluginPin, err error)
	Verify func(ctx context.Context, o PluginLockOptions) ([]PluginPin, error)
	// New makes the files of a module, by their paths inside it.
	New func(o PluginModule) (map[string][]byte, error)
}

// PluginLockOptions are the flags of plugin lock and plugin verify.
type PluginLockOptions struct {
	Sources
	Platform  string // "" is this machine's
	PluginDir string // with another Platform
	Err       io.Writer
	Color     bool
}

// PluginPin is one plugin beside what the lock file says of it.
type PluginPin struct {
	Name     string `json:"name"`
	Version  string `json:"version,omitempty"`
	Platform string `json:"platform"`
	SHA256   string `json:"sha256,omitempty"`
	Locked   string `json:"locked,omitempty"`
	State    string `json:"state"` // same, new, changed, unused, not locked
}

func (a *app) pluginHash() *cobra.Command {
	return &cobra.Command{
		Use: "hash FILE...", Short: "Print the sha256 of plugin binaries, as a plugin block takes it",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s needs a file: %s", c.CommandPath(), c.UseLine())
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			for _, path := range args {
				digest, err := a.commands.Plugin.Hash(path)
				if err != nil {
					return err
				}
				one := struct {
					Path   string `json:"path"`
					SHA256 string `json:"sha256"`
				}{path, digest}
				err = a.emit(one, func() {
					if a.quiet {
						a.line("%s", digest)
						return
					}
					a.line("%s  %s", digest, path)
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func (a *app) pluginLock() *cobra.Command {
	var o PluginLockOptions
	c := &cobra.Command{
		Use: "lock", Short: "Write the lock file: the digests of the configuration's plugins, and what they say of themselves", Args: exactly(),
		Example: "    taskhost plugin lock -config shop.hcl\n    taskhost plugin lock -config shop.hcl -platform linux/arm64 -plugin-dir dist/linux-arm64",
	}
	o.flags(c)
	c.Flags().StringVar(&o.Platform, "platform", "", "add the digests for another platform, such as linux/arm64; its binaries are not executed")
	c.Flags().StringVar(&o.PluginDir, "plugin-dir", "", "with -platform: where that platform's binaries are")
	if err := c.MarkFlagDirname("plugin-dir"); err != nil {
		panic(err) // the flag has just been made
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.read(nil); err != nil {
			return err
		}
		o.Err, o.Color = a.Err, a.colored()
		path, pins, err := a.commands.Plugin.Lock(c.Context(), o)
		if err != nil {
			return err
		}
		if err := a.showPins(pins); err != nil || a.json || a.quiet {
			return err
		}
		a.say("%s is written: keep it beside the configuration", path)
		return nil
	}
	return c
}

func (a *app) pluginVerify() *cobra.Command {
	var o PluginLockOptions
	c := &cobra.Command{Use: "verify", Short: "Compare the configuration's plugins with its lock file; exit 1 when they differ", Args: exactly()}
	o.flags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := o.read(nil); err != nil {
			return err
		}
		o.Err, o.Color = a.Err, a.colored()
		pins, err := a.commands.Plugin.Verify(c.Context(), o)
		if err != nil {
			return err
		}
		if err := a.showPins(pins); err != nil {
			return err
		}
		if slices.ContainsFunc(pins, func(p PluginPin) bool { return p.State != "same" }) {
			return &Silent{ExitFailed}
		}
		return nil
	}
	return c
}

func (a *app) showPins(pins []PluginPin) error {
	return emitAll(a, pins, func(p PluginPin) string { return p.Name }, func() {
		t := newTable("PLUGIN", "VERSION", "PLATFORM", "SHA256", "STATE")
		for _, p := range pins {
			state := p.State
			if p.State == "changed" {
				state = fmt.Sprintf("changed; it was %.12s", p.Locked)
			}
			t.add(p.Name, p.Version, p.Platform, fmt.Sprintf("%.12s", p.SHA256), state)
		}
		t.write(a)
	})
}
