package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/taskhost/taskhost/host/internal/cli"
	"github.com/taskhost/taskhost/host/internal/scaffold"
)

// packaged is where the packages put the plugins.
const packaged = "/usr/lib/taskhost/plugins"

// firstConfig is a configuration to start from in dir, with the plugins that this program came with.
func firstConfig(dir string) ([]byte, error) {
	return scaffold.Config(scaffold.ConfigOptions{PluginDir: pluginDir(dir), TimeZone: machineZone()})
}

// pluginDir finds the plugins: beside the program, then where the packages put them. With none of
// both it is the default.
func pluginDir(dir string) string {
	places := []string{packaged}
	if program, err := os.Executable(); err == nil {
		places = append([]string{filepath.Join(filepath.Dir(program), "plugins")}, places...)
	}
	for _, place := range places {
		if !isThere(filepath.Join(place, "exec")) {
			continue
		}
		// One that lies near is written as it is seen from there, so that the directory can be moved with it.
		if whole, err := filepath.Abs(dir); err == nil {
			if near, err := filepath.Rel(whole, place); err == nil && filepath.IsLocal(near) {
				return near
			}
		}
		return place
	}
	return "plugins"
}

// newPlugin is the module of a new plugin, for the SDK and the Go of this program.
func newPlugin(o cli.PluginModule) (map[string][]byte, error) {
	goVersion := strings.TrimPrefix(runtime.Version(), "go")
	if parts := strings.SplitN(goVersion, ".", 3); len(parts) == 3 {
		goVersion = parts[0] + "." + parts[1] + ".0"
	}
	return scaffold.Plugin(scaffold.PluginOptions{
		Name: o.Name, Form: o.Form, Module: o.Module, Replace: o.Replace, Go: goVersion, Version: strings.TrimPrefix(version(), "v"),
	})
}
