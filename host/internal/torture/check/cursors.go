package check

import "github.com/taskhost/taskhost/host/internal/torture/journal"

// cursors demands that who reads a cursor finds nothing older than what was acknowledged before, and nothing that
// nobody has begun to save.
func cursors(e Evidence, add func(Kind, string, string, ...any)) {
	type write struct{ at, cursor int64 }
	begun, acked := map[string][]write{}, map[string][]write{}
	for _, p := range e.Processes {
		for _, x := range p.Entries {
			switch x.Kind {
			case journal.Begin:
				begun[x.Scope] = append(begun[x.Scope], write{x.At, x.Cursor})
			case journal.Commit:
				acked[x.Scope] = append(acked[x.Scope], write{x.At, x.Cursor})
			}
		}
	}
	highest := func(list []write, until int64) (c int64) {
		for _, w := range list {
			if w.at <= until {
				c = max(c, w.cursor)
			}
		}
		return c
	}
	judge := func(scope, who string, cursor, since, at int64) {
		if least := highest(acked[scope], since); cursor < least {
			add(CursorBack, scope, "%s has %d after %d was acknowledged", who, cursor, least)
		}
		if most := highest(begun[scope], at); cursor > most {
			add(CursorAhead, scope, "%s has %d, the highest that was saved is %d", who, cursor, most)
		}
	}
	for _, p := range e.Processes {
		for _, x := range p.Entries {
			if x.Kind == journal.Load {
				judge(x.Scope, "run "+x.Run, x.Cursor, x.Since, x.At)
			}
		}
	}
	const end = 1<<63 - 1
	for scope, cursor := range e.Cursors {
		judge(scope, "the checkpoint", cursor, end, end)
	}
}
