package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// Config is what `config {}` of a prune takes.
type Config struct {
	Paths      []string      `task:"paths" min:"1" doc:"folders, or patterns such as /var/log/app/*.gz; relative ones begin where the config file stands"`
	Recursive  bool          `task:"recursive,optional" default:"false" doc:"also look in the folders below"`
	OlderThan  time.Duration `task:"older_than,optional" default:"0s" min:"0s" doc:"delete what was last changed longer ago; 0s is no bound"`
	MaxTotal   *int64        `task:"max_total,optional" kind:"bytes" min:"0" doc:"delete the oldest until the rest has at most this size"`
	KeepNewest int           `task:"keep_newest,optional" default:"0" min:"0" doc:"never delete this many of the newest; without older_than and max_total, delete all others"`
	EmptyDirs  bool          `task:"empty_dirs,optional" default:"false" doc:"with recursive: also delete folders that are empty then, and not younger than older_than or an hour"`
	DryRun     bool          `task:"dry_run,optional" default:"false" doc:"only say what would be deleted"`
}

// guarded are folders whose own files nobody prunes with good intent. What lies deeper
// is not guarded, except below unreal.
var guarded = []string{"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root", "/run", "/sbin", "/srv", "/sys", "/usr", "/usr/bin", "/usr/lib", "/usr/sbin", "/var", "/var/lib"}

// unreal are file systems without files.
var unreal = []string{"/dev", "/proc", "/sys"}

// Validate checks what no single attribute can say.
func (c Config) Validate() []task.Problem {
	var problems []task.Problem
	for i, p := range c.Paths {
		if _, err := parsePattern(p); err != nil {
			problems = append(problems, task.Wrong(fmt.Sprintf("paths[%d]", i), err.Error()))
		}
	}
	if c.OlderThan == 0 && c.MaxTotal == nil && c.KeepNewest == 0 {
		problems = append(problems, task.Wrong("", "this would delete every file: set older_than, max_total or keep_newest"))
	}
	if c.EmptyDirs && !c.Recursive {
		problems = append(problems, task.Wrong("empty_dirs", "empty_dirs needs recursive = true"))
	}
	return problems
}

// pattern is one of the paths: a folder that is named, and what is looked for in it.
type pattern struct {
	base  string   // without wildcards
	below []string // one pattern per level; the last is for files
	plain bool     // there are no wildcards: base may be a file, too
}

// parsePattern splits a path, and refuses what could reach further than is meant.
func parsePattern(text string) (pattern, error) {
	clean := path.Clean(text)
	segments := strings.Split(text, "/")
	switch {
	case strings.TrimSpace(text) == "":
		return pattern{}, fmt.Errorf("the path is empty")
	case strings.ContainsAny(text, "\x00"):
		return pattern{}, fmt.Errorf("a path cannot hold a NUL byte")
	case slices.Contains(segments, ".."):
		return pattern{}, fmt.Errorf("a path with .. can mean more than it seems: write it out")
	case slices.Contains(segments, "**"):
		return pattern{}, fmt.Errorf("** is not known here: use recursive = true")
	case strings.HasPrefix(text, "~"):
		return pattern{}, fmt.Errorf("~ is not expanded: write the folder out")
	}
	if _, err := path.Match(text, ""); err != nil {
		return pattern{}, fmt.Errorf("the pattern is broken: %w", err)
	}
	segments = strings.Split(clean, "/")
	wild := slices.IndexFunc(segments, func(s string) bool { return strings.ContainsAny(s, `*?[\`) })
	p := pattern{base: clean, below: []string{"*"}, plain: wild < 0}
	if wild >= 0 {
		p.base, p.below = strings.Join(segments[:wild], "/"), segments[wild:]
	}
	if p.base == "" && path.IsAbs(clean) {
		p.base = "/"
	}
	return p, checkBase(p.base)
}

// checkBase refuses folders that are too much to prune.
func checkBase(base string) error {
	if base == "" || base == "." {
		return fmt.Errorf("name a folder: this would reach the folder of the config file")
	}
	if slices.Contains(guarded, base) {
		return fmt.Errorf("the files of %s are not for pruning: name a folder below it", base)
	}
	for _, u := range unreal {
		if strings.HasPrefix(base, u+"/") {
			return fmt.Errorf("%s holds no real files", u)
		}
	}
	return nil
}
