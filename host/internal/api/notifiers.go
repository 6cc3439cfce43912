package api

import (
	"context"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

// Notices is what the API asks of who tells others of the tasks.
type Notices interface {
	Notifiers() []Notifier // by name
	// TestNotifier sends a message that says so, and returns what became of it; false when there is no such notifier.
	TestNotifier(ctx context.Context, name string) (NotifierDelivery, bool)
}

// Notifier is one notify block and what it has done.
type Notifier struct {
	Name     string
	Way      string // webhook, email, exec
	On       []string
	Tasks    []string
	Labels   map[string]string
	Waiting  int // messages that are to be sent
	Dead     int // messages that were given up
	Sent     int // since the start of the host
	Failures int // tries in a row that failed
	Last     *NotifierDelivery
}

// NotifierDelivery is one try to send a message; Error is "" when it arrived.
type NotifierDelivery struct {
	Message string
	At      time.Time
	Took    time.Duration
	Attempt int
	Error   string
}

// noNotices stand in where nobody is told.
type noNotices struct{}

func (noNotices) Notifiers() []Notifier { return nil }
func (noNotices) TestNotifier(context.Context, string) (NotifierDelivery, bool) {
	return NotifierDelivery{}, false
}

// codeNotifierUnknown says that no notify block has the name.
const codeNotifierUnknown = "notifier_unknown"

func (a *API) notices() Notices {
	if a.Notices == nil {
		return noNotices{}
	}
	return a.Notices
}

func (a *API) listNotifiers(*request) (any, error) {
	items := []admin.Notifier{}
	for _, n := range a.notices().Notifiers() {
		one := admin.Notifier{
			Name: n.Name, Way: n.Way, On: orEmpty(n.On), Tasks: orEmpty(n.Tasks), Labels: n.Labels,
			Waiting: n.Waiting, DeadLetters: n.Dead, Sent: n.Sent, Failures: n.Failures,
		}
		if n.Last != nil {
			last := deliveryOf(*n.Last)
			one.Last = &last
		}
		items = append(items, one)
	}
	return ended(items), nil
}

// testNotifier answers with what became of the message, which is no error of the API when it did not arrive.
func (a *API) testNotifier(r *request) (any, error) {
	name := r.PathValue("notifier")
	d, ok := a.notices().TestNotifier(r.Context(), name)
	if !ok {
		var names []string
		for _, n := range a.notices().Notifiers() {
			names = append(names, n.Name)
		}
		return nil, unknown(codeNotifierUnknown, "notifier", short(name), "taskhost notifiers list lists them", names)
	}
	return deliveryOf(d), nil
}

func deliveryOf(d NotifierDelivery) admin.Delivery {
	return admin.Delivery{
		Message: d.Message, At: admin.At(d.At), Took: admin.Seconds(d.Took), Attempt: d.Attempt, Delivered: d.Error == "", Error: d.Error,
	}
}
