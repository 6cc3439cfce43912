package explain

import (
	"fmt"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/schedule"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

// Explanation is what a declaration will do.
type Explanation struct {
	Task        string          `json:"task"`
	Source      string          `json:"source"` // file:line
	Description string          `json:"description,omitempty"`
	Parts       []Part          `json:"parts"`
	Next        []time.Time     `json:"next"` // slots
	TimeZone    string          `json:"time_zone,omitempty"`
	Values      []config.Origin `json:"values"` // of every attribute
}

// Part is what it will do in one respect.
type Part struct {
	Title     string     `json:"title"`
	Sentences []Sentence `json:"sentences"`
}

// Sentence is one fact, and the values that make it one.
type Sentence struct {
	Text string          `json:"text"`
	From []config.Origin `json:"from,omitempty"`
}

// slots is how many of the next slots are named.
const slots = 5

// Of explains a definition at a time.
func Of(d task.Definition, origins []config.Origin, now time.Time) Explanation {
	w := &writer{d: d, origins: map[string]config.Origin{}}
	for _, o := range origins {
		w.origins[o.Path] = o
	}
	e := Explanation{Task: d.Name, Source: d.Source, Description: d.Description, Values: origins, Next: []time.Time{}}
	for _, part := range []struct {
		title string
		write func()
	}{
		{"What", w.what}, {"When", w.when}, {"When a run is still going", w.overlap}, {"After the host was down", w.downtime}, {"Messages", w.messages},
		{"On failure", w.failure}, {"How long", w.length}, {"On a stop", w.stop}, {"With others", w.others}, {"Its process", w.process}, {"What is told", w.alarms}, {"What is kept", w.keep},
	} {
		w.sentences = nil
		part.write()
		if len(w.sentences) > 0 {
			e.Parts = append(e.Parts, Part{part.title, w.sentences})
		}
	}
	if d.Mode == task.Periodic && !d.Schedule.HasAfter {
		if plan, err := schedule.Compile(d.Name, d.Schedule); err == nil {
			e.Next = plan.Between(now, now.AddDate(10, 0, 0), slots)
		}
	}
	if len(d.Schedule.Cron) > 0 {
		e.TimeZone = d.Schedule.TimeZone
	}
	return e
}

// writer collects the sentences of a part.
type writer struct {
	d         task.Definition
	origins   map[string]config.Origin
	sentences []Sentence
}

// say adds a sentence that holds by the values of the paths.
func (w *writer) say(paths []string, format string, args ...any) {
	s := Sentence{Text: fmt.Sprintf(format, args...)}
	for _, path := range paths {
		if o, ok := w.origins[path]; ok {
			s.From = append(s.From, o)
		}
	}
	w.sentences = append(w.sentences, s)
}

// by names the values that a sentence holds by.
func by(paths ...string) []string { return paths }

// duration writes a length of time as HCL does.
func duration(d time.Duration) string { return schema.FormatDuration(d) }

// inARow is ", 3 times in a row", and nothing for one time.
func inARow(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(", %d times in a row", n)
}

// quoted lists names.
func quoted(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(out, ", ")
}
