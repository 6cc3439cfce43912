package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/taskhost/taskhost/host/internal/catalog"
	"github.com/taskhost/taskhost/host/internal/config"
)

// PluginPin is one plugin beside what the lock file says of it.
type PluginPin struct {
	Name     string
	Version  string
	Platform string
	SHA256   string // of the binary; "" when it is not here
	Locked   string // what the lock file says; "" when it says nothing
	State    PinState
}

// PinState is what the comparison came to.
type PinState string

const (
	PinSame     PinState = "same"       // as the lock file, or a sha256 in the configuration, says
	PinNew      PinState = "new"        // the lock file did not have it
	PinChanged  PinState = "changed"    // the lock file has another digest
	PinUnused   PinState = "unused"     // the configuration does not name it
	PinUnlocked PinState = "not locked" // neither the lock file nor the configuration pins it
)

// LockOptions say which plugins are locked. With the Platform of another machine the binaries are those in
// PluginDir; they are hashed and not executed.
type LockOptions struct {
	Source
	Platform  string // "linux/arm64"; "" is this machine's
	PluginDir string
}

// LockPlugins writes the lock file of a configuration and returns its path and what it says now. When the
// configuration has errors the file stays as it is, and they are in the Loaded.
func LockPlugins(ctx context.Context, o LockOptions) (path string, pins []PluginPin, l Loaded, err error) {
	path = catalog.LockPath(o.Paths)
	old, err := catalog.ReadLock(path)
	if err != nil {
		return path, nil, l, err
	}
	if old == nil {
		old = &catalog.Lock{}
	}
	var next catalog.Lock
	if o.Platform == "" || o.Platform == catalog.Platform() {
		if l, err = unlocked(ctx, o.Source); err != nil || l.Failed() {
			return path, nil, l, err
		}
		next, pins = lockHere(*old, l.Config.Plugins)
	} else if next, pins, err = lockThere(*old, o); err != nil {
		return path, nil, l, err
	}
	return path, pins, l, catalog.WriteLock(path, next)
}

// VerifyPlugins compares the plugins of a configuration with its lock file. When the configuration has errors they are
// in the Loaded.
func VerifyPlugins(ctx context.Context, s Source) (pins []PluginPin, l Loaded, err error) {
	path := catalog.LockPath(s.Paths)
	lock, err := catalog.ReadLock(path)
	if err != nil {
		return nil, l, err
	}
	if lock == nil {
		return nil, l, fmt.Errorf("there is no %s; taskhost plugin lock writes it", path)
	}
	if l, err = unlocked(ctx, s); err != nil || l.Failed() {
		return nil, l, err
	}
	_, pins = lockHere(*lock, l.Config.Plugins)
	pinned := map[string]bool{}
	for _, p := range l.Config.Plugins {
		pinned[p.Name] = p.Pinned
	}
	for i, p := range pins {
		switch {
		case p.State == PinNew && pinned[p.Name]:
			pins[i].State = PinSame
		case p.State == PinNew:
			pins[i].State = PinUnlocked
		}
	}
	return pins, l, nil
}

// HashPlugin is the sha256 of a binary, in hex.
func HashPlugin(path string) (string, error) {
	digest, err := catalog.Hash(path)
	if err != nil {
		return "", fmt.Errorf("hash a plugin: %w", err)
	}
	return digest, nil
}

// unlocked loads a configuration without regard to its lock file.
func unlocked(ctx context.Context, s Source) (Loaded, error) {
	s.unlocked, s.blind = true, true // whoever locks plugins need not have the secrets of the host
	return load(ctx, s, loading{catalog: s.inCache}), ctx.Err()
}

// lockHere is the lock for these plugins on this machine. What an old lock says of other platforms holds as long as the
// plugin describes itself in the same words.
func lockHere(old catalog.Lock, plugins []config.Plugin) (next catalog.Lock, pins []PluginPin) {
	here := catalog.Platform()
	next.Plugins = map[string]catalog.Locked{}
	for _, p := range plugins {
		was := old.Plugins[p.Name]
		digests := map[string]string{}
		if catalog.Same(was.Description, p.Description) {
			digests = maps.Clone(was.Digests)
		}
		digests[here] = p.Digest
		next.Plugins[p.Name] = catalog.Locked{Digests: digests, Description: p.Description}
		pins = append(pins, PluginPin{
			Name: p.Name, Version: p.Description.Version, Platform: here, SHA256: p.Digest, Locked: was.Digests[here], State: compared(was.Digests[here], p.Digest),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(old.Plugins)) {
		if was := old.Plugins[name]; next.Plugins[name].Digests == nil {
			pins = append(pins, PluginPin{Name: name, Version: was.Description.Version, Platform: here, Locked: was.Digests[here], State: PinUnused})
		}
	}
	slices.SortFunc(pins, func(a, b PluginPin) int { return cmp.Compare(a.Name, b.Name) })
	return next, pins
}

// lockThere adds the digests of another platform's binaries to what is locked already.
func lockThere(old catalog.Lock, o LockOptions) (catalog.Lock, []PluginPin, error) {
	if len(old.Plugins) == 0 {
		return old, nil, errors.New("nothing is locked yet: run taskhost plugin lock where the plugins can be executed, then add other platforms")
	}
	if o.PluginDir == "" {
		return old, nil, fmt.Errorf("name the directory with the plugins for %s with -plugin-dir", o.Platform)
	}
	next := catalog.Lock{Plugins: map[string]catalog.Locked{}}
	var pins []PluginPin
	for _, name := range slices.Sorted(maps.Keys(old.Plugins)) {
		was := old.Plugins[name]
		digest, err := HashPlugin(filepath.Join(o.PluginDir, name))
		if err != nil {
			return old, nil, err
		}
		digests := maps.Clone(was.Digests)
		if digests == nil {
			digests = map[string]string{}
		}
		digests[o.Platform] = digest
		next.Plugins[name] = catalog.Locked{Digests: digests, Description: was.Description}
		pins = append(pins, PluginPin{
			Name: name, Version: was.Description.Version, Platform: o.Platform, SHA256: digest, Locked: was.Digests[o.Platform], State: compared(was.Digests[o.Platform], digest),
		})
	}
	return next, pins, nil
}

func compared(was, is string) PinState {
	switch was {
	case "":
		return PinNew
	case is:
		return PinSame
	}
	return PinChanged
}
