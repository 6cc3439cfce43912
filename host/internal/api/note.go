package api

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

// modeText says when a task runs, as its file does.
func modeText(d task.Definition) string {
	s := d.Schedule
	switch {
	case d.Consume != nil:
		return "continuous " + d.Consume.Queue
	case d.Mode == task.Continuous:
		return "continuous"
	case len(s.Cron) > 0:
		return "cron " + strings.Join(s.Cron, " | ")
	case s.HasAfter:
		return "after " + schema.FormatDuration(s.After)
	case s.Every > 0:
		return "every " + schema.FormatDuration(s.Every)
	case len(d.AfterRun) > 0:
		var names []string
		for _, a := range d.AfterRun {
			names = append(names, a.Task)
		}
		return "after " + strings.Join(names, ", ")
	}
	return "on demand"
}

const (
	noteLength = 120
	noteValues = 3
)

// note is the one thing that a person would ask first about a task: what somebody set, what it is
// held up by, what went wrong, else what it says of itself.
func note(d task.Definition, s task.Status, published map[string]task.Published) string {
	switch {
	case s.StoppedBy != nil:
		return setBy("stopped", s.StoppedBy)
	case s.Paused != nil:
		return setBy("paused", s.Paused)
	case s.Reason != nil && s.Reason.Text != "":
		return short(s.Reason.Text)
	case s.Waiting != nil && s.Waiting.For != "slot":
		return short(strings.TrimSpace("waits for " + s.Waiting.For + " " + s.Waiting.On))
	case !s.Health.OK && len(s.Health.Reasons) > 0:
		return short(s.Health.Reasons[0].Text)
	case !d.Enabled && s.State == task.Stopped:
		return "enabled = false in the file"
	}
	for _, r := range s.Running {
		if text := progressText(r.Progress); text != "" {
			return short(text)
		}
	}
	if l := s.Last; l != nil && l.Outcome.Failure() && l.Error != "" && len(s.Running) == 0 {
		return strconv.Quote(short(l.Error))
	}
	if text := valuesText(published); text != "" {
		return short(text)
	}
	if l := s.Last; l != nil && len(s.Running) == 0 {
		return short(l.Note)
	}
	return ""
}

func setBy(what string, o *task.Override) string {
	text := what + " by " + o.By
	if !o.Until.IsZero() {
		text += " until " + o.Until.UTC().Format("2006-01-02 15:04 MST")
	}
	if o.Reason != "" {
		text += fmt.Sprintf(": %q", o.Reason)
	}
	return short(text)
}

func progressText(p *task.Progress) string {
	switch {
	case p == nil:
		return ""
	case p.Total > 0:
		return strings.TrimSpace(fmt.Sprintf("%d of %d %s", p.Done, p.Total, p.Note))
	case p.Done > 0:
		return strings.TrimSpace(fmt.Sprintf("%d %s", p.Done, p.Note))
	}
	return p.Note
}

// valuesText names the first few plain values that a task publishes and that say something.
func valuesText(published map[string]task.Published) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(published)) {
		value := bytes.TrimSpace(published[key].Value)
		if len(value) == 0 || value[0] == '{' || value[0] == '[' || len(parts) == noteValues {
			continue
		}
		text := string(value)
		if unquoted, err := strconv.Unquote(text); err == nil {
			text = unquoted
		}
		if text == "" || text == "null" {
			continue
		}
		parts = append(parts, key+" "+text)
	}
	return strings.Join(parts, ", ")
}

// short keeps a note on one line of bearable length.
func short(text string) string {
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "�")
	if utf8.RuneCountInString(text) <= noteLength {
		return text
	}
	return string([]rune(text)[:noteLength-1]) + "…"
}
