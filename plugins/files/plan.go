package main

import (
	"cmp"
	"slices"
	"time"
)

// file is one file that a scan has found.
type file struct {
	folder   *folder
	name     string // within the folder
	size     int64
	modified time.Time
	id       fileID
}

// plan picks the files to delete, oldest first: what is older than OlderThan, then the
// oldest until MaxTotal holds; without both, everything. The newest KeepNewest stay.
func plan(c Config, files []file, now time.Time) []file {
	files = slices.Clone(files)
	slices.SortFunc(files, func(a, b file) int { // newest first; the rest makes the order certain
		return cmp.Or(b.modified.Compare(a.modified), cmp.Compare(a.folder.base, b.folder.base), cmp.Compare(a.name, b.name))
	})
	var total int64
	for _, f := range files {
		total += f.size
	}
	all := c.OlderThan == 0 && c.MaxTotal == nil
	var picked []file
	for i := len(files) - 1; i >= c.KeepNewest; i-- {
		f := files[i]
		old := c.OlderThan > 0 && now.Sub(f.modified) > c.OlderThan
		much := c.MaxTotal != nil && total > *c.MaxTotal
		if all || old || much {
			picked = append(picked, f)
			total -= f.size
		}
	}
	return picked
}
