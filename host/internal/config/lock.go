package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/taskhost/taskhost/host/internal/catalog"
)

// readLock reads the lock file that stands beside the configuration, if one does.
func (l *loader) readLock() {
	if l.opts.Unlocked {
		return
	}
	var err error
	if l.lock, err = catalog.ReadLock(catalog.LockPath(l.opts.Paths)); err != nil {
		l.find.errorf(hcl.Range{}, "", "%s", err)
	}
}

// spec says which binary is meant by the name of a plugin, before its block is read.
func (l *loader) spec(name string) catalog.Spec {
	s := catalog.Spec{Name: name, Dir: l.host.PluginDir}
	if l.lock == nil {
		return s
	}
	if locked, ok := l.lock.Plugins[name]; ok {
		s.Locked, s.LockFile = &locked, l.lock.Path
	}
	return s
}

// requirePins speaks of plugins that may be replaced by whoever can write their file. The file says whether that is
// refused, is well, or is worth a warning.
func (l *loader) requirePins(s section) {
	require := s.boolean("require_checksums", false)
	if l.opts.Unlocked || s.any("require_checksums") && !require {
		return
	}
	const how = "taskhost plugin lock pins all of them; sha256 in a plugin block pins one"
	var free []string
	for _, p := range values(l.plugins.known) {
		switch {
		case p.spec.Pinned() || p.opened == nil:
		case require:
			l.find.errorf(p.place(), how, "plugin %q is not pinned, and require_checksums = true", p.name)
		default:
			free = append(free, p.name)
		}
	}
	if len(free) > 0 && !l.find.failed() { // beside errors it would be in the way
		l.find.warnf(hcl.Range{}, how+"; host { require_checksums = false } says that it is well so",
			"not pinned: %s; whoever can write the file decides what runs", strings.Join(free, ", "))
	}
}

// place is where a plugin is spoken of: its block, or else the first task that names it.
func (p *plugin) place() hcl.Range {
	switch {
	case p.node != nil:
		return p.node.rng
	case len(p.users) > 0:
		return p.users[0].plugin.at()
	}
	return hcl.Range{}
}
