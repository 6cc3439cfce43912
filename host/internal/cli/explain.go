package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

// ExplainOptions say what to explain.
type ExplainOptions struct {
	Sources
	Task string
	Now  time.Time
}

// Explanation is what a task's declaration will do.
type Explanation struct {
	Task        string       `json:"task"`
	Source      string       `json:"source"`
	Description string       `json:"description,omitempty"`
	Parts       []Explained  `json:"parts"`
	Next        []admin.Time `json:"next"`
	TimeZone    string       `json:"time_zone,omitempty"`
	Values      []Origin     `json:"values"`
}

// Explained is one part of an explanation.
type Explained struct {
	Title     string     `json:"title"`
	Sentences []Sentence `json:"sentences"`
}

// Sentence is one fact, and the values that make it one.
type Sentence struct {
	Text string   `json:"text"`
	From []Origin `json:"from,omitempty"`
}

// Origin is a value and where it comes from.
type Origin struct {
	Path  string `json:"path"`
	Value string `json:"value"`
	From  string `json:"from"` // task, for_each, defaults, host, plugin, built in
	Place string `json:"place,omitempty"`
}

// NotDeclared says that there is no such task.
type NotDeclared struct{ Err error }

func (n *NotDeclared) Error() string { return n.Err.Error() }

func (a *app) explainCommand() *cobra.Command {
	var o ExplainOptions
	var all bool
	c := &cobra.Command{
		Use: "explain TASK", Short: "Say in words what a task of a configuration will do, and where each value comes from; no host is asked", Args: exactly("a task's name"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(nil); err != nil {
				return err
			}
			o.Task, o.Now = args[0], a.Now()
			e, err := a.commands.Explain(c.Context(), o)
			if err != nil {
				return err
			}
			return a.emit(e, func() { a.showExplanation(e, all) })
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&all, "all", false, "list the value of every attribute, too")
	return c
}

func (a *app) showExplanation(e Explanation, all bool) {
	a.line("%s  (%s)  %s", admin.Printable(e.Task), admin.Printable(e.Source), admin.Printable(e.Description))
	for _, p := range e.Parts {
		a.line("")
		a.line("%s", p.Title)
		for _, s := range p.Sentences {
			a.line("  %s", admin.Printable(s.Text))
			for _, o := range s.From {
				a.line("%s", a.dim("      "+admin.Printable(o.String())))
			}
		}
		if p.Title == "When" && len(e.Next) > 0 {
			a.line("  Next: %s", strings.Join(a.slotTexts(e), ", "))
		}
	}
	if !all {
		return
	}
	a.line("")
	t := newTable("ATTRIBUTE", "VALUE", "FROM", "")
	for _, o := range e.Values {
		t.add(o.Path, oneLine(o.Value), o.From, o.Place)
	}
	t.write(a)
}

func (o Origin) String() string {
	from := o.From
	if o.Place != "" {
		from = o.Place
		if o.From != "task" {
			from = o.From + ", " + o.Place
		}
	}
	value := oneLine(o.Value)
	if value == "" {
		value = "not given"
	}
	return fmt.Sprintf("%s = %s  [%s]", o.Path, value, from)
}

// slotTexts writes the next slots in the task's zone.
func (a *app) slotTexts(e Explanation) []string {
	zone := a.zone(e.TimeZone)
	texts := make([]string, len(e.Next))
	for i, at := range e.Next {
		texts[i] = at.In(zone).Format("Mon 2006-01-02 15:04:05 MST")
		if odd := oddClock(at.Time, zone); odd != "" && e.TimeZone != "" {
			texts[i] += " (" + odd + ")"
		}
	}
	return texts
}
