package config

import (
	"regexp"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/internal/task"
)

// classes are the tables that say what a change of an attribute means, by the kind of their block.
var classes = map[string][]task.Attribute{
	"task": task.Attributes, "group": task.GroupAttributes, "queue": task.QueueAttributes, "plugin": task.PluginAttributes, "host": task.HostAttributes,
}

// through are the blocks whose attributes take effect through what uses them.
var through = []string{"variable", "moved"}

// whole are the blocks that are replaced whole in the running host when anything in them changes.
var whole = []string{"notify", "alert", "heartbeat"}

var labels = regexp.MustCompile(`\[[^]]*\]`)

// changeOf says in words when a change of an attribute, by its path in the reference, takes effect in a running host.
// It is "" where nobody has said so.
func changeOf(path string) string {
	block, name, _ := strings.Cut(labels.ReplaceAllString(path, ""), ".")
	if slices.Contains(through, block) {
		return "through what it changes"
	}
	if slices.Contains(whole, block) {
		return string(task.ClassLive)
	}
	a, known := attributeOf(block, name)
	switch {
	case !known:
		return ""
	case a.Class == task.ClassHost:
		return "new start of the host"
	}
	words := string(a.Class)
	if a.Continuous != "" {
		words += "; " + string(a.Continuous) + " if continuous"
	}
	if a.Note != "" {
		words += ": " + a.Note
	}
	return words
}

// attributeOf finds the row of an attribute: its own, or that of the block or list that it stands in.
func attributeOf(block, name string) (task.Attribute, bool) {
	for at := name; at != ""; {
		for _, a := range classes[block] {
			if a.Name == at {
				return a, true
			}
		}
		cut := strings.LastIndexByte(at, '.')
		if cut < 0 {
			break
		}
		at = at[:cut]
	}
	return task.Attribute{Name: name, Class: task.ClassHost}, block == "host"
}
