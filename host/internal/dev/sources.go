package dev

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
)

// Sources are what a plugin is built from.
type Sources struct {
	Dirs  []string // with the Go files of its packages
	Files []string // go.mod, go.sum, go.work and what is embedded
}

// listed is what the go command says of a package.
type listed struct {
	Dir        string
	EmbedFiles []string
	Standard   bool
	Module     *struct {
		Dir, GoMod string
		Main       bool
		Replace    *struct{ Dir, GoMod string }
	}
}

// SourcesOf finds the packages of dir's own module, and of modules that are replaced by directories, that its command
// is made of. Where the go command cannot tell, because nothing there makes sense yet, it is dir alone.
func SourcesOf(ctx context.Context, dir string) Sources {
	s := Sources{Dirs: []string{dir}, Files: []string{filepath.Join(dir, "go.mod"), filepath.Join(dir, "go.sum")}}
	out, err := goCommand(ctx, dir, "list", "-e", "-deps", "-json=Dir,EmbedFiles,Standard,Module", ".").Output()
	if err != nil && len(out) == 0 {
		return s
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if d.Decode(&p) != nil {
			return s.sorted()
		}
		s.add(p)
	}
}

// add takes a package in that a person may be working on.
func (s *Sources) add(p listed) {
	if p.Standard || p.Dir == "" || p.Module == nil {
		return
	}
	mod := p.Module.GoMod
	switch r := p.Module.Replace; {
	case p.Module.Main:
	case r != nil && r.Dir != "" && filepath.IsAbs(r.Dir):
		mod = r.GoMod
	default:
		return
	}
	s.Dirs = append(s.Dirs, p.Dir)
	for _, f := range p.EmbedFiles {
		s.Files = append(s.Files, filepath.Join(p.Dir, f))
	}
	if mod != "" {
		root := filepath.Dir(mod)
		s.Files = append(s.Files, mod, filepath.Join(root, "go.sum"), filepath.Join(root, "go.work"))
	}
}

func (s Sources) sorted() Sources {
	slices.Sort(s.Dirs)
	slices.Sort(s.Files)
	return Sources{Dirs: slices.Compact(s.Dirs), Files: slices.Compact(s.Files)}
}
