package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// progress shows a run on its way down the ladder. On a terminal each stage is one line that moves;
// elsewhere a stage is one line when it begins. It writes to stderr: the data is what comes of it.
type progress struct {
	a      *app
	task   string
	ladder admin.Ladder
	stage  string
	open   bool // the terminal's line has no end yet
}

const barWidth = 10

func (p *progress) show(run admin.Run) {
	if p.a.json || p.a.quiet {
		return
	}
	if run.Stop == nil {
		p.showRun(run)
		return
	}
	began := run.Stop.Began.Time
	if p.stage != run.Stop.Stage {
		p.close()
		p.stage = run.Stop.Stage
		if !p.a.TTY {
			fmt.Fprintf(p.a.Err, "%s  %s\n", p.task, p.stage)
		}
	}
	if !p.a.TTY {
		return
	}
	whole := p.whole(run.Stop)
	if !run.Stop.Deadline.IsZero() && whole > 0 {
		began = run.Stop.Deadline.Add(-whole)
	}
	spent := max(p.a.Now().Sub(began), 0)
	text := fmt.Sprintf("%s  %-6s", p.task, p.stage)
	if whole > 0 {
		text += fmt.Sprintf("  %s  %.1f s of %s", bar(spent, whole), spent.Seconds(), whole)
	}
	if pr := run.Progress; pr != nil {
		text += "   " + progressWord(*pr)
	}
	p.redraw(text)
}

// showRun shows how far a run has come that nobody stops.
func (p *progress) showRun(run admin.Run) {
	if !p.a.TTY {
		return
	}
	text := p.task + "  " + runWord(run)
	p.redraw(text)
}

func (p *progress) redraw(text string) {
	fmt.Fprintf(p.a.Err, "\r\x1b[K%s", admin.Printable(text))
	p.open = true
}

// whole is how long the stage may take.
func (p *progress) whole(s *admin.Stop) time.Duration {
	switch s.Stage {
	case "drain":
		return p.ladder.Drain.Duration()
	case "cancel":
		return p.ladder.Cancel.Duration()
	}
	return 0
}

// close ends the line that moves.
func (p *progress) close() {
	if p.open {
		fmt.Fprintln(p.a.Err)
		p.open = false
	}
}

func bar(part, whole time.Duration) string {
	full := int(min(float64(part)/float64(whole), 1) * barWidth)
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}

func progressWord(p admin.Progress) string {
	switch {
	case p.Total > 0:
		return strings.TrimSpace(fmt.Sprintf("%d of %d  %s", p.Done, p.Total, p.Note))
	case p.Done > 0:
		return strings.TrimSpace(fmt.Sprintf("%d  %s", p.Done, p.Note))
	}
	return p.Note
}

// stopLine is the end of a stop: how long it took, in which stage it ended, and what is left.
func stopLine(r admin.Result) string {
	text := r.Name + "  " + r.State
	if s := r.Stop; s != nil {
		if s.Took != nil {
			text += "  after " + fmt.Sprintf("%.1f s", s.Took.Duration().Seconds())
		}
		if s.EndedIn != "" {
			text += " in " + s.EndedIn
		}
		if n := len(s.Survivors); n > 0 {
			text += fmt.Sprintf("; %s left: %v", plural(n, "process"), s.Survivors)
		} else if r.State == "stopped" {
			text += "; no process left"
		}
	}
	return text
}
