package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/taskhost/taskhost/host/internal/task"
)

// move is one moved block.
type move struct {
	from, to     string
	fromAt, toAt hcl.Range
}

// readMoves reads the moved blocks. One that names a block moves all its instances.
func (l *loader) readMoves(nodes []*node, all tasks) []task.Move {
	var moves []move
	for _, n := range nodes {
		if m, ok := l.move(n); ok {
			moves = append(moves, m)
		}
	}
	from, to := map[string]move{}, map[string]move{}
	var out []task.Move
	for _, m := range moves {
		if !l.checkMove(m, all, from) {
			continue
		}
		from[m.from] = m
		for _, one := range m.expand(all) {
			if earlier, taken := to[one.To]; taken {
				l.find.errorf(m.toAt, "one task has one past: keep one", "moved: %q takes over from %q already, at %s", one.To, earlier.from, place(earlier.fromAt))
				continue
			}
			to[one.To] = m
			out = append(out, one)
		}
	}
	for _, m := range moves {
		if next, chained := from[m.to]; chained && next.from != m.from {
			l.find.errorf(m.toAt, `write the newest name here: to = "`+next.to+`"`, "moved: %q moves on to %q, at %s", clip(m.to), clip(next.to), place(next.fromAt))
		}
	}
	return out
}

// move reads one block.
func (l *loader) move(n *node) (m move, ok bool) {
	s := l.section(n)
	ok = true
	for _, one := range []struct {
		name string
		into *string
		at   *hcl.Range
	}{{"from", &m.from, &m.fromAt}, {"to", &m.to, &m.toAt}} {
		text, v, given := s.text(one.name)
		switch {
		case !given && !s.any(one.name):
			s.find.errorf(n.rng, "add "+one.name+` = "…"`, "moved lacks %s", one.name)
			ok = false
		case !given:
			ok = false
		case !task.ValidTask(text):
			s.find.errorf(v.at(), "write it as the task is named, such as \"check\" or \"check.www\"", "moved: %q is no name of a task", clip(text))
			ok = false
		default:
			*one.into, *one.at = text, v.at()
		}
	}
	return m, ok
}

// checkMove reports whether a move makes sense beside the tasks and the moves before it.
func (l *loader) checkMove(m move, all tasks, from map[string]move) bool {
	declared := func(name string) bool { return all.named[name] != nil || all.blocks[name] != nil }
	earlier, twice := from[m.from]
	switch {
	case m.from == m.to:
		l.find.errorf(m.toAt, "remove the block", "moved: from and to are both %q", m.to)
	case declared(m.from):
		l.find.errorf(m.fromAt, "remove the block, or the task that has the old name", "moved: %q is still declared", m.from)
	case twice:
		l.find.errorf(m.fromAt, "keep one", "moved: %q moves already, at %s", m.from, place(earlier.fromAt))
	case !declared(m.to) && !l.chains(m.to):
		l.find.errorf(m.toAt, nearHint(m.to, sortedKeys(all.named)), "moved: there is no task %q", m.to)
	default:
		return true
	}
	return false
}

// chains reports whether a moved block moves this name on, which is reported for itself.
func (l *loader) chains(name string) bool {
	for _, n := range l.root.blocks["moved"] {
		if text, _, ok := l.section(n).text("from"); ok && text == name {
			return true
		}
	}
	return false
}

// expand is the move of each task that is meant.
func (m move) expand(all tasks) (out []task.Move) {
	for _, i := range all.named[m.to] {
		from := m.from
		if i.def.Name != m.to { // an instance of the block
			from += strings.TrimPrefix(i.def.Name, m.to)
		}
		out = append(out, task.Move{From: from, To: i.def.Name})
	}
	return out
}
