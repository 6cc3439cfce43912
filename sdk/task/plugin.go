package task

import (
	"errors"
	"fmt"
	"regexp"
	"runtime/debug"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/wire"
)

// Plugin is what a plugin binary serves.
type Plugin struct {
	// Name is the plugin's own name, as in `plugin = "http"`: lower case.
	Name string
	// Version is free text; empty takes the version that the Go toolchain stamped.
	Version string
	// Doc says in a sentence or two what the plugin is for.
	Doc string
	// Types are the task types, in the order in which they are shown.
	Types []Type
}

// namePattern is the form of every name that HCL and the API mention.
var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

func checkName(what, name string) error {
	if namePattern.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%s %q: a name has 1 to 63 of a-z, 0-9, _ and -, and begins with a letter or digit", what, name)
}

// Build checks the plugin and reflects its config structs. It returns what the
// plugin says of itself and what serves it; package tasktest and Serve share it,
// and its results are of no use to others. It fails with every mistake at once.
func (p Plugin) Build() (wire.Description, []session.Type, error) {
	d := wire.Description{
		Plugin:   p.Name,
		Version:  p.version(),
		Doc:      p.Doc,
		Protocol: wire.ProtocolVersion,
		SDK:      moduleVersion(),
		Features: []string{wire.FeatureMethods, wire.FeatureResume, wire.FeatureQueues},
	}
	var errs []error
	if err := checkName("plugin", p.Name); err != nil {
		errs = append(errs, err)
	}
	if len(p.Types) == 0 {
		errs = append(errs, errors.New("the plugin has no types"))
	}
	seen := make(map[string]bool)
	types := make([]session.Type, 0, len(p.Types))
	for _, t := range p.Types {
		if t.definition == nil {
			errs = append(errs, errors.New("a type is the zero Type: make it with Periodic, Job, Continuous, Loop, Consumer, BatchConsumer or an Open form"))
			continue
		}
		if seen[t.name] {
			errs = append(errs, fmt.Errorf("type %q is declared twice", t.name))
		}
		seen[t.name] = true
		built, err := t.build()
		if err != nil {
			errs = append(errs, fmt.Errorf("type %q: %w", t.name, err))
			continue
		}
		types = append(types, built)
		d.Types = append(d.Types, built.Description)
	}
	if len(errs) > 0 {
		return wire.Description{}, nil, fmt.Errorf("plugin %q: %w", p.Name, errors.Join(errs...))
	}
	return d, types, nil
}

func (p Plugin) version() string {
	if p.Version != "" {
		return p.Version
	}
	info, ok := debug.ReadBuildInfo()
	switch {
	case !ok || info.Main.Version == "":
		return devel
	case info.Main.Path == modulePath:
		return released(info.Main.Version)
	}
	return info.Main.Version
}

// devel is what the go command calls the version of a build outside of any release.
const devel = "(devel)"

// released is a version of this module; a build from its tree has that of the tree.
func released(version string) string {
	if version == devel || version == "" {
		return wire.Release
	}
	return version
}

const modulePath = "github.com/taskhost/taskhost"

// moduleVersion is the version of this SDK as the binary was built with it.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	if info.Main.Path == modulePath {
		return released(info.Main.Version)
	}
	for _, m := range info.Deps {
		if m.Path != modulePath {
			continue
		}
		if m.Replace != nil {
			return m.Replace.Version
		}
		return m.Version
	}
	return ""
}
