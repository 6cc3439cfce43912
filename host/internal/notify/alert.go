package notify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// holding is what is known of one alert for one task.
type holding struct {
	Count int       `json:"count,omitempty"` // evaluations in a row that say the opposite of On
	Since time.Time `json:"since,omitzero"`  // since when the condition holds without a break
	On    bool      `json:"on,omitempty"`
}

// next takes in one evaluation. With Count the alert begins after so many in a row that hold and ends after as many that
// do not; with For it begins when it has held for so long and ends at once.
func (h holding) next(a Alert, holds bool, now time.Time) holding {
	switch {
	case !holds:
		h.Since = time.Time{}
	case h.Since.IsZero():
		h.Since = now
	}
	if a.For > 0 {
		h.Count, h.On = 0, holds && now.Sub(h.Since) >= a.For
		return h
	}
	if holds == h.On {
		h.Count = 0
		return h
	}
	if h.Count++; h.Count >= a.Count {
		h.On, h.Count = holds, 0
	}
	return h
}

// wake is when time alone begins the alert; zero is never.
func (h holding) wake(a Alert) time.Time {
	if a.For == 0 || h.On || h.Since.IsZero() {
		return time.Time{}
	}
	return h.Since.Add(a.For)
}

// AlertView is what the template of an alert's text sees.
type AlertView struct {
	Alert     string
	Task      string
	Severity  string
	Condition string
	State     map[string]any
	Run       Run
}

// ParseAlertText reads the template of an alert's text and tries it. A value that is not published shows as such.
func ParseAlertText(text string) (*Template, error) {
	t, err := ParseTemplate(text)
	if err != nil {
		return nil, err
	}
	t.inner.Option("missingkey=default")
	_, err = t.Text(AlertView{Alert: "sample", Task: "sample", State: map[string]any{}})
	return t, err
}

// alertText says what is wrong.
func alertText(a Alert, t *Template, v Values) string {
	view := AlertView{Alert: a.Name, Task: v.Task, Severity: a.Severity, Condition: a.When.Source(), State: map[string]any{}}
	if v.Run != nil {
		view.Run = *v.Run
	}
	for key, text := range v.State {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		var value any
		if d.Decode(&value) == nil {
			view.State[key] = value
		}
	}
	text := defaultAlertText(a, v)
	if t != nil {
		if own, err := t.Text(view); err == nil {
			text = own
		}
	}
	if a.Severity != "" {
		text = a.Severity + ": " + text
	}
	return clip(strings.TrimSpace(text))
}

// defaultAlertText is the condition with the values that it reads.
func defaultAlertText(a Alert, v Values) string {
	var values []string
	for _, key := range slices.Sorted(maps.Keys(v.State)) {
		if a.When.Reads(key) && len(values) < 5 {
			values = append(values, fmt.Sprintf("%s = %.60s", key, v.State[key]))
		}
	}
	text := a.When.Source()
	if len(values) > 0 {
		text += " (" + strings.Join(values, ", ") + ")"
	}
	return text
}
