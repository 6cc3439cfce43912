package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Message is what a notifier sends: everything that one template sees, and the JSON of a webhook without one.
type Message struct {
	ID       string    `json:"id"`       // the same when it comes again
	Notifier string    `json:"notifier"` // name of the block
	Host     string    `json:"host"`     // name of the machine
	At       time.Time `json:"at"`
	Kind     Kind      `json:"kind"`   // the gravest of its items: failed, degraded, recovered; or test
	Repeat   bool      `json:"repeat"` // it was told before and lasts
	Summary  string    `json:"summary"`
	Items    []Item    `json:"items"`
	More     int       `json:"more"` // items that found no room
}

// Item is one transition of one task.
type Item struct {
	Kind     Kind              `json:"kind"`
	Task     string            `json:"task"`
	Labels   map[string]string `json:"labels,omitempty"`
	Reason   string            `json:"reason,omitempty"` // of degraded and its end: overlap, stuck, alert:NAME, …
	Text     string            `json:"text,omitempty"`
	Run      string            `json:"run,omitempty"`      // of failed and its end
	Outcome  string            `json:"outcome,omitempty"`  // of Run
	Failures int               `json:"failures,omitempty"` // in a row
	At       time.Time         `json:"at"`
	Since    time.Time         `json:"since"` // when it began
}

const (
	maxItems = 200 // of a message
	maxText  = 500 // bytes of an item's text
)

// clip bounds a text that somebody else wrote.
func clip(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}

// newMessage makes a message of items, the gravest first.
func newMessage(notifier string, at time.Time, repeat bool, items []Item, more int) Message {
	rank := []Kind{Failed, Degraded, Recovered, Test}
	slices.SortStableFunc(items, func(a, b Item) int { return slices.Index(rank, a.Kind) - slices.Index(rank, b.Kind) })
	if n := len(items); n > maxItems {
		items, more = items[:maxItems], more+n-maxItems
	}
	m := Message{Notifier: notifier, At: at, Repeat: repeat, Kind: items[0].Kind, Items: items, More: more}
	m.Summary = summary(m)
	return m
}

// summary says in one line what the message is about.
func summary(m Message) string {
	lasts := ""
	if m.Repeat {
		lasts = "still "
	}
	if len(m.Items) == 1 && m.More == 0 {
		i := m.Items[0]
		what := fmt.Sprintf("%s %s%s", i.Task, lasts, i.Kind)
		if i.Reason != "" {
			what += " (" + i.Reason + ")"
		}
		return what
	}
	counts := map[Kind]int{}
	for _, i := range m.Items {
		counts[i.Kind]++
	}
	var parts []string
	for _, k := range []Kind{Failed, Degraded, Recovered} {
		if n := counts[k]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s%s", n, lasts, k))
		}
	}
	if m.More > 0 {
		parts = append(parts, fmt.Sprintf("%d more", m.More))
	}
	return strings.Join(parts, ", ")
}

// Sample is a message with something in every field: validate tries templates on it, and a test sends it.
func Sample(notifier string, at time.Time) Message {
	begun := at.Add(-5 * time.Minute)
	return Message{
		ID: "01j00000000000000000000000", Notifier: notifier, Host: "localhost", At: at, Kind: Test, Summary: "a test of the notifier " + notifier,
		Items: []Item{{
			Kind: Test, Task: "example", Labels: map[string]string{"team": "ops"}, Reason: "test", Text: "this is a test: nothing is wrong",
			Run: "01j00000000000000000000001", Outcome: "failed", Failures: 1, At: at, Since: begun,
		}},
	}
}
