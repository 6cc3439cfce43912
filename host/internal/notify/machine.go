package notify

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// memory is what a machine knows: all that must survive a restart of the host.
type memory struct {
	Seq     uint64              `json:"seq"`             // of the last event that counts in here
	Tasks   map[string]*trouble `json:"tasks,omitempty"` // those that are not simply well
	Pending []Item              `json:"pending,omitempty"`
	More    int                 `json:"more,omitempty"` // items for which Pending had no room
	Due     time.Time           `json:"due,omitzero"`   // when Pending goes out
	Told    time.Time           `json:"told,omitzero"`  // when something that lasts was told last
}

// trouble is what is known of one task.
type trouble struct {
	Failures int              `json:"failures,omitempty"` // in a row
	Well     int              `json:"well,omitempty"`     // successes in a row, while Failed is told
	Failed   *Item            `json:"failed,omitempty"`   // as it was told
	Alarms   map[string]*Item `json:"alarms,omitempty"`   // those that are on, by reason
}

func (t *trouble) none() bool { return t.Failures == 0 && t.Failed == nil && len(t.Alarms) == 0 }

// maxPending bounds what waits for its group; it goes out at once when it is full.
const maxPending = 5 * maxItems

// machine makes messages of events. It is pure: the times are those of the events, and those that it is given.
type machine struct {
	of     Notifier
	labels func(taskName string) (map[string]string, bool) // false: the task is not declared
	mem    memory
	dirty  bool // mem holds something that a restart must not forget
}

func newMachine(n Notifier, labels func(string) (map[string]string, bool), mem memory) *machine {
	if mem.Tasks == nil {
		mem.Tasks = map[string]*trouble{}
	}
	return &machine{of: n, labels: labels, mem: mem}
}

// takes reports whether the event is one that the machine looks at.
func takes(e task.Event) bool {
	switch e.Topic {
	case "run":
		return e.Kind == "ended" || e.Kind == "steady"
	case "task":
		return e.Kind == task.EventDegraded || e.Kind == task.EventRecovered
	}
	return false
}

// event takes in one event. Each counts once: what is not newer than the place in the stream is passed over.
func (m *machine) event(e task.Event) {
	if e.Seq <= m.mem.Seq {
		return
	}
	m.mem.Seq = e.Seq
	if !takes(e) || !m.chosen(e.Task) {
		return
	}
	switch {
	case e.Kind == "steady":
		m.succeeded(e, m.of.RecoverAfter)
	case e.Topic == "run" && task.Outcome(e.Text).Failure():
		m.failed(e)
	case e.Topic == "run" && task.Outcome(e.Text) == task.OutcomeSucceeded:
		m.succeeded(e, 1)
	case e.Topic == "task":
		code, text, _ := strings.Cut(e.Text, ": ")
		m.alarm(e.Task, code, text, e.Kind == task.EventDegraded, e.At)
	}
}

func (m *machine) chosen(name string) bool {
	labels, declared := m.labels(name)
	return declared && m.of.Select.Takes(name, labels)
}

// failed counts a run that failed, and tells of the one that makes After in a row.
func (m *machine) failed(e task.Event) {
	t := m.trouble(e.Task)
	t.Failures, t.Well, m.dirty = t.Failures+1, 0, true
	if t.Failed != nil {
		t.Failed.Failures = t.Failures
		return
	}
	if t.Failures < m.of.After {
		return
	}
	item := m.item(Failed, e.Task, e.At)
	item.Run, item.Outcome, item.Failures = e.Run, e.Text, t.Failures
	t.Failed = &item
	m.tell(item)
}

// succeeded counts a run that succeeded as so many.
func (m *machine) succeeded(e task.Event, as int) {
	t := m.mem.Tasks[e.Task]
	if t == nil || t.Failures == 0 && t.Failed == nil {
		return
	}
	m.dirty = true
	t.Failures = 0
	if t.Failed != nil {
		if t.Well += as; t.Well < m.of.RecoverAfter {
			return
		}
		item := m.item(Recovered, e.Task, e.At)
		item.Run, item.Outcome, item.Since = e.Run, string(task.OutcomeSucceeded), t.Failed.At
		t.Failed, t.Well = nil, 0
		if m.of.Tells(Failed) {
			m.tell(item)
		}
	}
	m.settle(e.Task, t)
}

// alarm takes in that a reason of a task has come or gone. The reason of failing runs is not told: failed tells it.
func (m *machine) alarm(name, code, text string, on bool, at time.Time) {
	if code == task.ReasonFailing {
		return
	}
	if on {
		t := m.trouble(name)
		if t.Alarms[code] != nil {
			return
		}
		item := m.item(Degraded, name, at)
		item.Reason, item.Text = code, clip(text)
		if t.Alarms == nil {
			t.Alarms = map[string]*Item{}
		}
		t.Alarms[code], m.dirty = &item, true
		m.tell(item)
		return
	}
	t := m.mem.Tasks[name]
	if t == nil || t.Alarms[code] == nil {
		return
	}
	item := m.item(Recovered, name, at)
	item.Reason, item.Text, item.Since = code, t.Alarms[code].Text, t.Alarms[code].At
	delete(t.Alarms, code)
	m.dirty = true
	m.settle(name, t)
	if m.of.Tells(Degraded) {
		m.tell(item)
	}
}

func (m *machine) trouble(name string) *trouble {
	t := m.mem.Tasks[name]
	if t == nil {
		t = &trouble{}
		m.mem.Tasks[name] = t
	}
	return t
}

// settle forgets a task that is well.
func (m *machine) settle(name string, t *trouble) {
	if t.none() {
		delete(m.mem.Tasks, name)
	}
}

func (m *machine) item(k Kind, name string, at time.Time) Item {
	labels, _ := m.labels(name)
	return Item{Kind: k, Task: name, Labels: labels, At: at.UTC(), Since: at.UTC()}
}

// tell puts an item into the message to come, when the notifier tells of such.
func (m *machine) tell(i Item) {
	if !m.of.Tells(i.Kind) {
		return
	}
	m.dirty = true
	if len(m.mem.Pending) >= maxPending {
		m.mem.More++
		return
	}
	if m.mem.Due.IsZero() {
		m.mem.Due = i.At.Add(m.of.GroupWait)
	}
	m.mem.Pending = append(m.mem.Pending, i)
}

// messages are those whose time has come.
func (m *machine) messages(now time.Time) (out []Message) {
	if due := m.mem.Due; !due.IsZero() && (!due.After(now) || due.Sub(now) > m.of.GroupWait) {
		out = append(out, newMessage(m.of.Name, now.UTC(), false, m.mem.Pending, m.mem.More))
		if out[0].Kind != Recovered {
			m.mem.Told = now.UTC()
		}
		m.mem.Pending, m.mem.More, m.mem.Due, m.dirty = nil, 0, time.Time{}, true
	}
	if at := m.repeatAt(); !at.IsZero() && !at.After(now) {
		items := m.lasting()
		m.mem.Told, m.dirty = now.UTC(), true
		out = append(out, newMessage(m.of.Name, now.UTC(), true, items, 0))
	}
	return out
}

// lasting are the items that were told and are not over.
func (m *machine) lasting() (items []Item) {
	for _, name := range slices.Sorted(maps.Keys(m.mem.Tasks)) {
		t := m.mem.Tasks[name]
		if t.Failed != nil && m.of.Tells(Failed) {
			items = append(items, *t.Failed)
		}
		for _, code := range slices.Sorted(maps.Keys(t.Alarms)) {
			if m.of.Tells(Degraded) {
				items = append(items, *t.Alarms[code])
			}
		}
	}
	return items
}

// repeatAt is when what lasts is told again; zero is never.
func (m *machine) repeatAt() time.Time {
	if m.of.Repeat == 0 || m.mem.Told.IsZero() || len(m.lasting()) == 0 {
		return time.Time{}
	}
	return m.mem.Told.Add(m.of.Repeat)
}

// wake is when messages has something without another event; zero is never.
func (m *machine) wake() time.Time {
	due, repeat := m.mem.Due, m.repeatAt()
	if due.IsZero() || !repeat.IsZero() && repeat.Before(due) {
		return repeat
	}
	return due
}

// align makes the memory true to how the tasks are, where events are missing, and to which tasks there are: what is
// gone is told as recovered. With whole set, no event is missing, and only tasks that are gone are looked for.
func (m *machine) align(statuses []task.Status, whole bool, now time.Time) {
	for _, name := range slices.Sorted(maps.Keys(m.mem.Tasks)) {
		if _, declared := m.labels(name); !declared || !m.chosen(name) {
			m.gone(name, declared, now)
		}
	}
	if whole {
		return
	}
	for _, s := range statuses {
		if m.chosen(s.Task) {
			m.alignTask(s, now)
		}
	}
}

// gone forgets a task that is not declared, or not chosen, any more.
func (m *machine) gone(name string, declared bool, now time.Time) {
	t := m.mem.Tasks[name]
	delete(m.mem.Tasks, name)
	m.dirty = true
	if declared {
		return // nobody is to hear of it
	}
	var over []Item
	if t.Failed != nil {
		over = append(over, *t.Failed)
	}
	for _, code := range slices.Sorted(maps.Keys(t.Alarms)) {
		over = append(over, *t.Alarms[code])
	}
	for _, i := range over {
		if m.of.Tells(i.Kind) {
			i.Kind, i.At, i.Since, i.Text = Recovered, now.UTC(), i.At, "the task is not declared any more"
			m.tell(i)
		}
	}
}

func (m *machine) alignTask(s task.Status, now time.Time) {
	on := map[string]bool{}
	for _, r := range s.Health.Reasons {
		on[r.Code] = true
		m.alarm(s.Task, r.Code, r.Text, true, now)
	}
	if t := m.mem.Tasks[s.Task]; t != nil {
		for _, code := range slices.Sorted(maps.Keys(t.Alarms)) {
			if !on[code] {
				m.alarm(s.Task, code, "", false, now)
			}
		}
	}
	run := task.Event{At: now, Task: s.Task}
	if s.Last != nil {
		run.Run, run.Text = s.Last.ID, string(s.Last.Outcome)
	}
	t := m.mem.Tasks[s.Task]
	switch {
	case s.Failures == 0 && t != nil && t.Failures > 0:
		m.succeeded(run, m.of.RecoverAfter)
	case s.Failures > 0 && (t == nil || s.Failures > t.Failures):
		t = m.trouble(s.Task)
		t.Failures = s.Failures - 1
		m.failed(run)
	}
}
