package cli

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

// PluginModule says what the module of a new plugin is made from.
type PluginModule struct {
	Name, Form, Module string
	Replace            string // absolute; "" is none
}

func (a *app) pluginNew() *cobra.Command {
	var o PluginModule
	var dir string
	c := &cobra.Command{
		Use: "new NAME", Short: "Write the module of a new plugin, with a test, a configuration and a Makefile; nothing is overwritten", Args: exactly("a plugin's name"),
		Example: "    taskhost plugin new greeter -type consumer -module example.org/greeter",
		RunE: func(_ *cobra.Command, args []string) error {
			o.Name = args[0]
			if dir == "" {
				dir = o.Name
			}
			if o.Replace != "" {
				path, err := filepath.Abs(o.Replace)
				if err == nil {
					_, err = os.Stat(filepath.Join(path, "go.mod"))
				}
				if err != nil {
					return usagef("-replace: %s is no module: %v", o.Replace, err)
				}
				o.Replace = path
			}
			made, err := a.commands.Plugin.New(o)
			if err != nil {
				return usagef("%v", err)
			}
			files := map[string][]byte{}
			for name, text := range made {
				files[filepath.Join(dir, name)] = text
			}
			if err := writeNew(files); err != nil {
				return err
			}
			paths := slices.Sorted(maps.Keys(files))
			return a.emit(written{Files: paths}, func() {
				for _, path := range paths {
					a.line("%s", path)
				}
				a.say("cd %s && make builds and tests it, make run starts a host with it", dir)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&o.Form, "type", "periodic", "its form: periodic, job, continuous, loop or consumer")
	f.StringVar(&o.Module, "module", "", "path of the module; the name without it")
	f.StringVar(&dir, "dir", "", "where to write; a directory with the plugin's name without it")
	f.StringVar(&o.Replace, "replace", "", "use the SDK in this directory, in place of a published version")
	return c
}
