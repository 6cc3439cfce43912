package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/schedule"
	"github.com/taskhost/taskhost/host/internal/task"
)

// World is what a plan is made in.
type World struct {
	Now  time.Time
	Live func(name string) []task.Run // live runs of a task
	Next func(name string) time.Time  // the next slot of a task with a fixed delay; zero is not known
}

// ID names the step from one configuration to another. Whoever knows it has seen both.
func ID(generation int, old, new string, host []admin.Changed) string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d\n%s\n%s\n", generation, old, new)
	for _, c := range host {
		fmt.Fprintf(sum, "%q %q\n", c.Path, fmt.Sprint(c.New))
	}
	return "p_" + hex.EncodeToString(sum.Sum(nil))[:20]
}

// Make says what comes of it when new takes the place of old. The plan has no ID yet.
func Make(old, new Snapshot, w World) admin.Plan {
	p := admin.Plan{
		Tasks:   tasks(old, new, w),
		Groups:  items(old.Groups, new.Groups, task.GroupAttributes, func(g *task.Group) string { return g.Name }),
		Queues:  items(old.Queues, new.Queues, task.QueueAttributes, func(q *task.Queue) string { return q.Name }),
		Notices: notices(old.Notices, new.Notices),
		Plugins: binaries(old, new),
		Host:    hostChanges(old.Host, new.Host, false), Warnings: []admin.Diagnostic{},
	}
	p.Changed = len(p.Groups)+len(p.Queues)+len(p.Notices) > 0 || slices.ContainsFunc(p.Tasks, func(c admin.TaskChange) bool { return c.Change != admin.NoChange })
	p.Summary = summary(p)
	for _, c := range hostChanges(old.Host, new.Host, true) {
		if c.Path == "shutdown_timeout" { // the others show in the tasks that they are defaults of
			p.Changed = true
			p.Summary += fmt.Sprintf("; %s %v → %v", c.Path, c.Old, c.New)
		}
	}
	return p
}

// OnlyChanged is the plan without the tasks that do not change.
func OnlyChanged(p admin.Plan) admin.Plan {
	p.Tasks = slices.DeleteFunc(slices.Clone(p.Tasks), func(c admin.TaskChange) bool { return c.Change == admin.NoChange })
	return p
}

// Diff says how two generations differ.
func Diff(old, new Snapshot) admin.GenerationDiff {
	p := OnlyChanged(Make(old, new, World{Live: func(string) []task.Run { return nil }, Next: func(string) time.Time { return time.Time{} }}))
	return admin.GenerationDiff{Summary: p.Summary, Tasks: p.Tasks, Groups: p.Groups, Queues: p.Queues, Notices: p.Notices, Plugins: p.Plugins, Host: p.Host}
}

func tasks(old, new Snapshot, w World) []admin.TaskChange {
	name := func(d *task.Definition) string { return d.Name }
	was, is := byName(old.Tasks, name), byName(new.Tasks, name)
	from := map[string]string{}
	for _, m := range new.moves {
		if was[m.From] != nil && is[m.From] == nil && was[m.To] == nil && is[m.To] != nil {
			from[m.To] = m.From
		}
	}
	gone := map[string]bool{}
	for _, name := range from {
		gone[name] = true
	}
	out := []admin.TaskChange{}
	for _, name := range names(was, is) {
		if gone[name] {
			continue // stands under its new name
		}
		c := admin.TaskChange{Task: name, Change: admin.NoChange}
		before := was[name]
		switch {
		case from[name] != "":
			before = was[from[name]]
			c.Change, c.From = admin.Renamed, before.Name
			c.Attributes = attributes(before, is[name], old.Hidden[before.Name], new.Hidden[name])
		case before == nil:
			c.Change = admin.Added
		case is[name] == nil:
			c.Change = admin.Removed
		default:
			c.Attributes = attributes(before, is[name], old.Hidden[name], new.Hidden[name])
			c.Change = strongest(c.Attributes)
		}
		if c.Change != admin.NoChange && !w.Now.IsZero() {
			c.SlotsBefore, c.SlotsAfter = slots(before, w), slots(is[name], w)
			c.Runs = touched(c, before, w)
		}
		out = append(out, c)
	}
	return out
}

// attributes lists what differs, from what the differing rows of the table say.
func attributes(old, new *task.Definition, oldHidden, newHidden string) []admin.Changed {
	rows := task.ChangedAttributes(old, new)
	rows = slices.DeleteFunc(rows, func(a task.Attribute) bool { return a.Class == "" })
	out := changedIn(rows, old, new)
	for _, a := range rows {
		if a.Name == "" && len(out) == 0 && old.Name == new.Name { // nobody writes it, and nothing else says so
			out = append(out, admin.Changed{Path: strings.ToLower(a.Field), Old: hidden, New: hidden, Class: classWord(a.Class)})
		}
	}
	config := slices.ContainsFunc(rows, func(a task.Attribute) bool { return a.Field == "Config.Msgpack" && a.Class == task.ClassRestart })
	shown := slices.ContainsFunc(out, func(c admin.Changed) bool { return strings.HasPrefix(c.Path, "config.") })
	known := len(old.Config.Msgpack) > 0 || len(new.Config.Msgpack) > 0 || oldHidden == newHidden
	if config && !shown || !known && !shown {
		out = append(out, admin.Changed{Path: "config", Old: hidden, New: hidden, Class: admin.Restart, Note: "a value that is not shown"})
	}
	return out
}

// strongest is what the most far-reaching attribute means for its task.
func strongest(changed []admin.Changed) string {
	word := admin.NoChange
	for _, c := range changed {
		switch {
		case c.Class == admin.Restart:
			return admin.Restart
		case c.Class == admin.NextRun:
			word = admin.NextRun
		case word == admin.NoChange:
			word = admin.Live
		}
	}
	return word
}

// shownSlots is how many slots to come a plan shows.
const shownSlots = 3

// slots are the next ones of a task.
func slots(d *task.Definition, w World) (out []admin.Time) {
	if d == nil || d.Mode != task.Periodic || !d.Enabled {
		return nil
	}
	if d.Schedule.HasAfter {
		if next := w.Next(d.Name); !next.IsZero() {
			out = append(out, admin.At(next))
		}
		return out
	}
	compiled, err := schedule.Compile(d.Name, d.Schedule)
	if err != nil {
		return nil // it was checked before
	}
	for _, at := range compiled.Between(w.Now, w.Now.AddDate(100, 0, 0), shownSlots) {
		out = append(out, admin.At(at))
	}
	return out
}

// touched are the live runs that notice the change, and what becomes of them.
func touched(c admin.TaskChange, before *task.Definition, w World) (out []admin.TouchedRun) {
	if before == nil {
		return nil
	}
	for _, r := range w.Live(before.Name) {
		if effect := effectOn(c, r); effect != "" {
			out = append(out, admin.TouchedRun{ID: r.ID, State: string(r.State), Effect: effect})
		}
	}
	return out
}

func effectOn(c admin.TaskChange, r task.Run) string {
	working := r.State != task.RunQueued
	switch {
	case c.Change == admin.Removed && !working:
		return "ends: the task is gone"
	case c.Change == admin.Renamed && !working:
		return "goes on under the new name"
	case !working:
		return ""
	case c.Change == admin.Restart, c.Change == admin.Removed, c.Change == admin.Renamed:
		return "is drained, then cancelled, as stop says"
	case c.Change == admin.NextRun:
		return "finishes as it began"
	}
	if slices.ContainsFunc(c.Attributes, func(a admin.Changed) bool { return a.Path == "timeout" }) {
		return "gets the new timeout, counted from its begin"
	}
	return ""
}

// items compares groups or queues.
func items[T any](old, new []T, rows []task.Attribute, name func(*T) string) []admin.ItemChange {
	was, is := byName(old, name), byName(new, name)
	out := []admin.ItemChange{}
	for _, n := range names(was, is) {
		c := admin.ItemChange{Name: n, Change: admin.Live}
		switch {
		case was[n] == nil:
			c.Change = admin.Added
		case is[n] == nil:
			c.Change = admin.Removed
		default:
			if c.Attributes = changedIn(task.Changed(rows, was[n], is[n]), was[n], is[n]); c.Attributes == nil {
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

// notices compares the blocks that tell others of tasks, by their digests: what they say may be secret.
func notices(old, new map[string]string) []admin.ItemChange {
	out := []admin.ItemChange{}
	all := maps.Clone(old)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, new)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		was, before := old[name]
		is, after := new[name]
		switch {
		case !before:
			out = append(out, admin.ItemChange{Name: name, Change: admin.Added})
		case !after:
			out = append(out, admin.ItemChange{Name: name, Change: admin.Removed})
		case was != is:
			out = append(out, admin.ItemChange{Name: name, Change: admin.Live})
		}
	}
	return out
}

// binaries are the plugins that come, go or have another binary.
func binaries(old, new Snapshot) []admin.Binary {
	name := func(p *Plugin) string { return p.Name }
	was, is := byName(old.Plugins, name), byName(new.Plugins, name)
	users := map[string][]string{}
	for _, d := range new.Tasks {
		users[d.Plugin] = append(users[d.Plugin], d.Name)
	}
	out := []admin.Binary{}
	for _, n := range names(was, is) {
		b := admin.Binary{Name: n, Change: admin.NextRun, Tasks: append([]string{}, users[n]...)}
		o, p := was[n], is[n]
		switch {
		case o == nil:
			b.Change, b.New, b.NewVersion = admin.Added, p.Digest, p.Version
		case p == nil:
			b.Change, b.Old, b.OldVersion = admin.Removed, o.Digest, o.Version
		case o.Digest == p.Digest:
			continue
		default:
			b.Old, b.OldVersion, b.New, b.NewVersion = o.Digest, o.Version, p.Digest, p.Version
		}
		out = append(out, b)
	}
	return out
}

// order is that in which a summary counts.
var order = []string{admin.Added, admin.Removed, admin.Renamed, admin.Restart, admin.NextRun, admin.Live}

// summary counts the changes: "1 added, 2 restart; 97 without change".
func summary(p admin.Plan) string {
	counts := map[string]int{}
	for _, c := range p.Tasks {
		counts[c.Change]++
	}
	var parts []string
	for _, word := range order {
		if counts[word] > 0 {
			parts = append(parts, strconv.Itoa(counts[word])+" "+strings.ReplaceAll(word, "_", " "))
		}
	}
	text := cmp.Or(strings.Join(parts, ", "), "no task changes")
	for _, more := range []struct {
		n    int
		what string
	}{{len(p.Groups), "group"}, {len(p.Queues), "queue"}, {len(p.Notices), "notice"}, {len(p.Plugins), "plugin"}, {len(p.Host), "attribute"}} {
		if more.n > 0 {
			text += fmt.Sprintf("; %d %s", more.n, more.what)
			if more.n > 1 {
				text += "s"
			}
			if more.what == "attribute" {
				text += " of host"
			}
		}
	}
	return text
}
