package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// notes are what the probes wrote, runs in the order in which they were entered.
type notes struct {
	opened []time.Time
	runs   []runNote
}

// runNote is one run: its slot (zero without one) and when the function was entered.
type runNote struct{ slot, entered time.Time }

// readNotes reads the file of a host's probes. It is complete when they have ended.
func readNotes(path string) (notes, error) {
	f, err := os.Open(path)
	if err != nil {
		return notes{}, err
	}
	defer f.Close()
	var n notes
	var torn []string // a probe that is killed while it writes leaves half a line
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var kind string
		var slot, at int64
		if _, err := fmt.Sscanf(lines.Text(), "%s %d %d", &kind, &slot, &at); err != nil {
			torn = append(torn, lines.Text())
			continue
		}
		if kind == "open" {
			n.opened = append(n.opened, time.Unix(0, at))
			continue
		}
		r := runNote{entered: time.Unix(0, at)}
		if slot != 0 {
			r.slot = time.Unix(0, slot)
		}
		n.runs = append(n.runs, r)
	}
	if len(torn) > len(n.runs)/100 {
		return notes{}, fmt.Errorf("read the probes' notes: %d lines of %d are none, as line %q", len(torn), len(torn)+len(n.runs)+len(n.opened), torn[0])
	}
	slices.SortFunc(n.runs, func(a, b runNote) int { return a.entered.Compare(b.entered) })
	return n, lines.Err()
}

// lateness is how long after their slots the runs were entered whose slots lie in the window.
func (n notes) lateness(w window) figures {
	var late []time.Duration
	for _, r := range n.runs {
		if !r.slot.Before(w.from) && r.slot.Before(w.to) {
			late = append(late, r.entered.Sub(r.slot))
		}
	}
	return newFigures(late)
}

// allOpen is when the last probe was open.
func (n notes) allOpen() time.Time {
	var last time.Time
	for _, at := range n.opened {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// awaitOpen waits until count probes have noted that they are open. It looks seldom, so as not to disturb.
func awaitOpen(ctx context.Context, path string, count int, ended <-chan struct{}) error {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		text, err := os.ReadFile(path)
		if err == nil && bytes.Count(text, []byte("open ")) >= count {
			return nil
		}
		select {
		case <-look.C:
		case <-ended:
			return fmt.Errorf("it ended before its %d probes were open", count)
		case <-ctx.Done():
			return fmt.Errorf("wait for %d probes: %w", count, ctx.Err())
		}
	}
}

// window is the time in which something is measured.
type window struct{ from, to time.Time }

func (w window) length() time.Duration { return w.to.Sub(w.from) }
