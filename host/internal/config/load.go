package config

import (
	"context"

	"github.com/hashicorp/hcl/v2"

	"github.com/taskhost/taskhost/host/internal/catalog"
	"github.com/taskhost/taskhost/host/internal/notify"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Options say what to load and what to know of the world.
type Options struct {
	Paths    []string                    // files and directories
	Vars     []string                    // name=value, the last wins
	VarFiles []string                    // files of values
	Env      func(string) (string, bool) // os.LookupEnv, or what a test wants; nil is an empty environment
	Files    []File                      // not nil: read in place of Paths and VarFiles, as if they stood there
	Offline  bool                        // Blind, and no plugin is asked
	Blind    bool                        // neither environment nor secrets are read: what depends on them is checked as far as it goes
	// Plugins gives access to plugin binaries, once it is known where the host keeps
	// its data. It is called at most once; nil is a host without plugins.
	Plugins func(Host) Plugins
	// Unlocked leaves the lock file aside, and says nothing of plugins that are not pinned: for who is
	// about to write the lock file.
	Unlocked bool
	// Key gives the key under which secrets enter Config.Digest; it must stay the
	// same as long as digests are compared. Load calls it with the data directory
	// when everything else is well. nil is for loads whose digest nobody keeps.
	Key func(dataDir string) ([]byte, error)
	// Explain names a task of which Config.Origins tells.
	Explain string
	Alone   *Alone // not nil: only the tasks of one plugin
}

func (o Options) blind() bool { return o.Offline || o.Blind }

// Config is a whole configuration: values with every default applied.
type Config struct {
	Host    Host
	Plugins []Plugin          // those that tasks use or blocks declare, by name
	Tasks   []task.Definition // in the order of their names
	Groups  []task.Group      // in the order of their names
	Queues  []task.Queue      // in the order of their names
	Blocks  notify.Blocks     // notify, alert and heartbeat
	// BlockDigests identify these blocks by their names, such as `notify "ops"`, as Digest does the whole.
	BlockDigests map[string]string
	Moves        []task.Move // of tasks that had another name before
	Origins      []Origin    // of the task that Options.Explain names
	// Hide takes the sensitive values of the configuration out of a text, as far as they
	// stand in it as they are. It is safe for concurrent use.
	Hide func(text string) string
	// Digest identifies the tasks, groups and queues: two configurations with one digest
	// do the same. Where things stand in their files does not count.
	Digest string
}

// Load reads, evaluates and checks a configuration. It returns every diagnostic at
// once, sorted by place; when one is an error, the Config holds what could be made
// of the rest, for display only. Nothing is started except plugin binaries that
// describe themselves and check their configuration, through opts.Plugins.
//
// Load is safe for concurrent use as far as the functions in opts are.
func Load(ctx context.Context, opts Options) (*Config, hcl.Diagnostics, Sources) {
	if opts.Env == nil {
		opts.Env = func(string) (string, bool) { return "", false }
	}
	secret := newSecrets()
	l := &loader{
		ctx:     ctx,
		opts:    opts,
		secret:  secret,
		steps:   steps{left: maxSteps},
		sources: Sources{files: map[string][]byte{}, secret: secret},
		find:    findings{list: &hcl.Diagnostics{}, names: map[hcl.Range]bool{}},
		scope:   newScope(outside{env: opts.Env, offline: opts.blind(), secret: secret}),
	}
	config := l.load()
	config.Hide = secret.sealed()
	diags := l.errorsAlone(l.find.sorted())
	for _, d := range diags {
		l.conceal(d)
	}
	return config, diags, l.sources
}

// loader holds what the steps of one Load share.
type loader struct {
	ctx      context.Context
	opts     Options
	find     findings
	sources  Sources
	secret   *secrets
	steps    steps
	scope    *scope
	root     *node
	host     Host
	plugins  *plugins
	lock     *catalog.Lock // nil: none
	binaries Plugins       // nil: none
}

func (l *loader) load() *Config {
	bodies := l.read()
	l.checkNames(bodies)
	l.variables(l.root.blocks["variable"])
	l.locals(l.root.blocks["locals"])
	l.scope.seal()
	l.setApart()

	hostSection := l.hostSection()
	l.host = l.readHost(hostSection)
	if l.opts.Plugins != nil {
		l.binaries = l.opts.Plugins(l.host)
	}
	l.readLock()
	l.plugins = l.readPlugins(l.root.blocks["plugin"])
	groups := l.readGroups(l.root.blocks["group"])
	queues := l.readQueues(l.root.blocks["queue"])
	tasks := l.readTasks(l.root.blocks["task"], hostSection)
	l.relations(tasks, groups)
	l.checkQueues(hostSection, tasks, queues)
	l.forDebugger(tasks)
	l.shutdown(hostSection, tasks)
	l.requirePins(hostSection)
	blocks := l.readBlocks(tasks)

	config := &Config{Host: l.host, Plugins: l.plugins.list(), Groups: values(groups), Blocks: blocks}
	for _, t := range tasks.instances {
		config.Tasks = append(config.Tasks, t.def)
	}
	config.Moves = l.readMoves(l.root.blocks["moved"], tasks)
	for _, q := range values(queues) {
		config.Queues = append(config.Queues, q.def)
	}
	if l.opts.Explain != "" {
		config.Origins = l.origins(tasks, hostSection)
	}
	if !l.find.failed() {
		l.digest(config)
	}
	return config
}

// read parses all files and joins their blocks: they are one namespace. It returns
// the files as they were parsed.
func (l *loader) read() (bodies []hcl.Body) {
	files := l.configFiles()
	if len(files) == 0 && !l.find.failed() {
		l.find.errorf(hcl.Range{}, "name a file or a directory with -config", "there is no configuration")
	}
	l.root = &node{shape: rootShape, blocks: map[string][]*node{}}
	for _, file := range files {
		body := l.parseFile(file, false)
		part := rootShape.read(body, l.find)
		for _, inner := range rootShape.blocks {
			l.root.blocks[inner.name] = append(l.root.blocks[inner.name], part.blocks[inner.name]...)
		}
		bodies = append(bodies, body)
	}
	for _, inner := range rootShape.blocks {
		blocks := l.root.blocks[inner.name]
		if inner.repeat || len(blocks) < 2 {
			continue
		}
		for _, n := range blocks[1:] {
			if n.rng.Filename != blocks[0].rng.Filename { // within a file it was reported
				l.find.errorf(n.rng, "keep one", "a second %s block; the first is at %s", inner.name, place(blocks[0].rng))
			}
		}
		l.root.blocks[inner.name] = blocks[:1]
	}
	return bodies
}

// section opens a top-level block.
func (l *loader) section(n *node) section {
	return section{
		shape:  n.shape,
		layers: []layer{{n, l.scope.of(n.rng.Filename), true}},
		find:   l.find,
		secret: l.secret,
		rng:    n.rng,
	}
}

// only opens a top-level block that stands at most once; absent, it is empty.
func (l *loader) only(name string) section {
	blocks := l.root.blocks[name]
	if len(blocks) == 0 {
		return section{shape: rootShape.block(name), find: l.find, secret: l.secret}
	}
	return l.section(blocks[0])
}

// conceal takes sensitive values out of a diagnostic's texts.
func (l *loader) conceal(d *hcl.Diagnostic) {
	d.Summary, d.Detail = l.secret.hide(d.Summary), l.secret.hide(d.Detail)
	if extra, ok := d.Extra.(note); ok {
		extra.hint = l.secret.hide(extra.hint)
		d.Extra = extra
	}
}

// named is the part of a block's label that is a name, and where it stands.
func (l *loader) named(n *node, what string, taken map[string]*node) bool {
	switch earlier := taken[n.label]; {
	case n.labelRng.Filename == "": // the label is missing, which was reported
		return false
	case !task.ValidName(n.label):
		l.find.errorf(n.labelRng, "a name has at most 63 characters: small letters, digits, - and _, beginning with a letter or digit", "bad %s name %q", what, clip(n.label))
		return false
	case earlier != nil:
		l.find.errorf(n.rng, "give one of them another name", "a second %s %q; the first is at %s", what, n.label, place(earlier.rng))
		return false
	}
	taken[n.label] = n
	return true
}

// values returns the values of a map in the order of its keys.
func values[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, key := range sortedKeys(m) {
		out = append(out, m[key])
	}
	return out
}
