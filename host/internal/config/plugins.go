package config

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sync/errgroup"

	"github.com/taskhost/taskhost/host/internal/catalog"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

// Plugins finds plugin binaries and lets them speak for themselves. Its methods
// are called from several goroutines at a time.
type Plugins interface {
	// Open finds, hashes and describes a binary. It fails with a *task.LaunchError.
	Open(ctx context.Context, spec catalog.Spec) (*catalog.Plugin, error)
	// List names the plugins in a directory.
	List(dir string) ([]string, error)
	// Validate lets the plugin check decoded configs of one of its types, and returns what is wrong
	// with each.
	Validate(ctx context.Context, plugin *catalog.Plugin, typ string, msgpacks [][]byte) ([][]schema.Problem, error)
}

// Plugin is one plugin of the configuration.
type Plugin struct {
	Name        string
	Path        string            // of the verified copy that is started
	Origin      string            // where it was copied from
	Digest      string            // sha256 of the binary, in hex
	Env         map[string]string `json:"-"` // of all its processes; may hold secrets
	Source      string            // "file:line" of its block; "" without one
	Pinned      bool              // by sha256 or the lock file
	Description wire.Description
}

// plugins holds what is known of each plugin by name.
type plugins struct {
	known map[string]*plugin
}

type plugin struct {
	name   string
	node   *node // its block, or nil
	spec   catalog.Spec
	path   hcl.Range // of the path attribute, if it is written
	sha256 hcl.Range
	limits task.Limits
	users  []*instance
	opened *catalog.Plugin
	err    error
	types  map[string]*configType // once looked at
}

// configType is what the schema of a type is good for.
type configType struct {
	decoder *schema.Decoder
	err     error // it is good for nothing
}

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// readPlugins reads the plugin blocks.
func (l *loader) readPlugins(nodes []*node) *plugins {
	all, taken := &plugins{known: map[string]*plugin{}}, map[string]*node{}
	for _, n := range nodes {
		s := l.section(n)
		p := &plugin{name: n.label, node: n, types: map[string]*configType{}, spec: l.spec(n.label)}
		p.spec.Source = place(n.rng)
		p.spec.Path = s.path("path", "")
		p.path, _ = s.written("path")
		if digest, v, ok := s.text("sha256"); ok {
			p.spec.SHA256, p.sha256 = strings.ToLower(digest), v.at()
			if !hexDigest.MatchString(p.spec.SHA256) {
				s.find.errorf(v.at(), "sha256sum prints it", "sha256: %q is not a digest of 64 hex digits", clip(digest))
				p.spec.SHA256 = ""
			}
		}
		if env, v, ok := s.textMap("env", true); ok {
			p.spec.Env = checkEnv(env, v, s.find)
		}
		p.limits = s.limits()
		if l.named(n, "plugin", taken) {
			all.known[n.label] = p
		}
	}
	return all
}

// list is what is known of all opened plugins, by name.
func (p *plugins) list() []Plugin {
	var out []Plugin
	for _, k := range values(p.known) {
		if k.opened == nil {
			continue
		}
		out = append(out, Plugin{
			Name: k.name, Path: k.opened.Path, Origin: k.opened.Origin, Digest: k.opened.Digest,
			Env: k.spec.Env, Source: k.spec.Source, Description: k.opened.Description, Pinned: k.spec.Pinned(),
		})
	}
	return out
}

// attachPlugins opens the plugins of all tasks and of all blocks side by side,
// then decodes each task's config with the schema of its type.
func (l *loader) attachPlugins(list []*instance) {
	for _, i := range list {
		name := i.def.Plugin
		if name == "" {
			continue
		}
		p := l.plugins.known[name]
		if p == nil {
			if !task.ValidName(name) {
				i.find.errorf(i.plugin.at(), "", "bad plugin name %q", clip(name))
				continue
			}
			p = &plugin{name: name, types: map[string]*configType{}, spec: l.spec(name)}
			l.plugins.known[name] = p
		}
		p.users = append(p.users, i)
	}

	l.openPlugins()
	var checks []*check
	for _, p := range values(l.plugins.known) {
		if p.err != nil {
			l.reportPlugin(p)
			continue
		}
		if p.opened.Path == "" {
			l.find.warnf(p.place(), "its own check of its configs is not made", "plugin %q is not here: it is taken to be what %s says", p.name, p.spec.LockFile)
		}
		for _, i := range p.users {
			if c := l.attach(i, p); c != nil {
				checks = append(checks, c)
			}
		}
	}
	l.askPlugins(checks)
}

// atOnce is how many plugin processes a Load has at work side by side.
const atOnce = 4

func (l *loader) openPlugins() {
	if l.binaries == nil {
		for _, p := range l.plugins.known {
			p.err = errors.New("this host knows no plugins")
		}
		return
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, p := range l.plugins.known {
		group.Go(func() error {
			p.opened, p.err = l.binaries.Open(l.ctx, p.spec)
			if p.err == nil && p.opened == nil {
				p.err = errors.New("nothing was found")
			}
			return nil
		})
	}
	_ = group.Wait() // every error is kept beside its plugin
}

// reportPlugin says once why a plugin cannot be used: at its block when that is to
// blame, otherwise at the first task that names it.
func (l *loader) reportPlugin(p *plugin) {
	find, at := l.find, hcl.Range{}
	if p.node != nil {
		at = p.node.rng
	}
	if len(p.users) > 0 {
		find, at = p.users[0].find, p.users[0].plugin.at()
	}
	hint := ""
	var launch *task.LaunchError
	text := p.err.Error()
	if errors.As(p.err, &launch) {
		text, hint = launch.Detail, launch.Remedy
		switch {
		case launch.Kind == task.LaunchChecksum && p.sha256.Filename != "":
			find, at = l.find, p.sha256
		case launch.Kind == task.LaunchMissing && p.path.Filename != "":
			find, at = l.find, p.path
		case launch.Kind == task.LaunchMissing && p.node == nil:
			text = fmt.Sprintf("there is no plugin %q in %s", p.name, l.host.PluginDir)
			hint = l.otherPlugins(p.name)
		}
	}
	if l.opts.Offline && launch == nil {
		find.warnf(at, "the configs of its tasks are not checked", "%s", text)
		return
	}
	if len(p.users) > 1 {
		text = fmt.Sprintf("%s (%d tasks name it)", text, len(p.users))
	}
	find.errorf(at, hint, "%s", text)
}

// otherPlugins suggests the name of a plugin that is there.
func (l *loader) otherPlugins(name string) string {
	known, err := l.binaries.List(l.host.PluginDir)
	if err != nil {
		return fmt.Sprintf("the directory cannot be read: %s", errorText(err))
	}
	for _, p := range l.plugins.known {
		if p.node != nil {
			known = append(known, p.name)
		}
	}
	if len(known) == 0 {
		return "there are none in it: put the binaries of plugins there, or name the directory that holds them with host { plugin_dir }"
	}
	slices.Sort(known)
	return nearHint(name, slices.Compact(known))
}

// attach finds the type of a task and decodes its config. It returns the check
// that remains for the plugin itself, if there is one.
func (l *loader) attach(i *instance, p *plugin) *check {
	d := &i.def
	d.Config.Digest = p.opened.Digest
	d.Env = merged(p.spec.Env, d.Env)
	d.EnvKeys = sortedKeys(d.Env)
	d.Limits = limitsOver(d.Limits, p.limits)

	typ := i.findType(p)
	if typ == nil {
		return nil
	}
	d.Type, i.serves = typ.Name, typ
	if d.Mode != "" && !slices.Contains(typ.Modes, string(d.Mode)) {
		i.find.errorf(i.modeRange(), fmt.Sprintf("it serves: %s", strings.Join(typ.Modes, ", ")),
			"plugin %s: type %q does not serve the mode %s", p.name, typ.Name, d.Mode)
	}
	d.Continuous.Ready.Called = d.Mode == task.Continuous && typ.Ready
	if d.Mode == task.Continuous && !typ.Loop {
		if at, written := pauseRange(i.node); written {
			i.find.errorf(at, "remove pause", "plugin %s: type %q is not called step by step, so there is nothing between which it could pause", p.name, typ.Name)
		}
		d.Continuous.Pause = 0
	}
	i.fit(p)
	known := p.types[typ.Name]
	if known == nil {
		known = &configType{err: typ.Config.Validate()}
		if known.err == nil {
			known.decoder = typ.Config.Decoder()
		}
		p.types[typ.Name] = known
	}
	if known.err != nil {
		i.find.errorf(i.plugin.at(), "rebuild the plugin with a current SDK", "plugin %s: the schema of type %q is not usable: %s", p.name, typ.Name, clip(firstLine(known.err.Error())))
		return nil
	}
	return l.decodeConfig(i, p, typ, known.decoder)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// findType is the type that the task names, or the only one of the plugin that it can mean.
func (i *instance) findType(p *plugin) *wire.Type {
	types := p.opened.Description.Types
	var names []string
	for n := range types {
		if types[n].Name == i.def.Type {
			return &types[n]
		}
		names = append(names, types[n].Name)
	}
	switch {
	case len(types) == 0:
		i.find.errorf(i.plugin.at(), "", "plugin %s serves no types", p.name)
	case i.def.Type != "":
		i.find.errorf(i.typ.at(), nearHint(i.def.Type, names), "plugin %s has no type %q", p.name, clip(i.def.Type))
	case i.typ.expr != nil: // it is there and wrong, which was reported, or not known yet
	case len(types) == 1:
		return &types[0]
	default:
		fit := i.fitting(types)
		if len(fit) == 1 {
			return fit[0]
		}
		near := &types[0]
		if len(fit) > 1 {
			near = fit[0]
		}
		i.find.errorf(i.plugin.at(), fmt.Sprintf("add type = %q", near.Name), "plugin %s has several types: %s", p.name, strings.Join(names, ", "))
	}
	return nil
}

// fitting are the types that serve the task's mode and, as the task does, handle messages, one by one or in batches,
// or none.
func (i *instance) fitting(types []wire.Type) (fit []*wire.Type) {
	for n := range types {
		t := &types[n]
		consumes := t.Message != nil
		switch {
		case consumes != (i.consume != nil), consumes && t.Batch != i.consume.batch, !slices.Contains(t.Modes, string(i.def.Mode)):
		default:
			fit = append(fit, t)
		}
	}
	return fit
}

func (i *instance) modeRange() hcl.Range {
	if blocks := i.node.blocks[string(i.def.Mode)]; len(blocks) > 0 {
		return blocks[0].rng
	}
	return i.node.rng
}

func pauseRange(n *node) (hcl.Range, bool) {
	for _, c := range n.blocks["continuous"] {
		if attr := c.attrs["pause"]; attr != nil {
			return attr.Range, true
		}
	}
	return hcl.Range{}, false
}

// merged is a map with everything of both; over wins.
func merged(under, over map[string]string) map[string]string {
	if len(under) == 0 {
		return over
	}
	out := make(map[string]string, len(under)+len(over))
	for k, v := range under {
		out[k] = v
	}
	for k, v := range over {
		out[k] = v
	}
	return out
}
