package notify

import (
	"path"
	"slices"
	"time"
)

// Kind is what a notifier tells of.
type Kind string

const (
	Failed    Kind = "failed"    // runs of a task fail, each after its last attempt
	Degraded  Kind = "degraded"  // an alarm or an alert of a task is on
	Recovered Kind = "recovered" // what was told is over
	Test      Kind = "test"      // somebody tries whether messages arrive
)

// Blocks is what a configuration says of notifications.
type Blocks struct {
	Notifiers  []Notifier
	Alerts     []Alert
	Heartbeats []Heartbeat
}

// Select chooses tasks: any of Tasks, which are names with * and ?, and all of Labels. Empty is all.
type Select struct {
	Tasks  []string
	Labels map[string]string
}

// Takes reports whether a task is chosen.
func (s Select) Takes(name string, labels map[string]string) bool {
	for key, value := range s.Labels {
		if got, there := labels[key]; !there || got != value {
			return false
		}
	}
	return len(s.Tasks) == 0 || slices.ContainsFunc(s.Tasks, func(p string) bool {
		ok, _ := path.Match(p, name)
		return ok
	})
}

// Notifier is one notify block, with every default applied. Exactly one of Webhook, Email and Exec is set.
type Notifier struct {
	Name         string
	On           []Kind
	Select       Select
	After        int           // runs in a row that failed
	RecoverAfter int           // runs in a row that succeeded
	GroupWait    time.Duration // how long the first transition of a message waits for others
	Repeat       time.Duration // while something lasts; 0 is never
	Webhook      *Webhook
	Email        *Email
	Exec         *Exec
}

// Tells reports whether the notifier tells of such transitions.
func (n Notifier) Tells(k Kind) bool { return slices.Contains(n.On, k) }

// Way says how messages go out.
func (n Notifier) Way() string {
	switch {
	case n.Webhook != nil:
		return "webhook"
	case n.Email != nil:
		return "email"
	}
	return "exec"
}

// Webhook posts messages to a URL.
type Webhook struct {
	URL      string // may hold secrets, as its headers may
	Headers  map[string]string
	Secret   string // signs the body; "" is no signature
	Template string // of the body; "" is the message as JSON
	Timeout  time.Duration
}

// Email sends messages by SMTP.
type Email struct {
	Server   string // host:port
	TLS      string // starttls, tls or none
	User     string
	Password string
	From     string
	To       []string
	Subject  string // template
	Template string // of the text
	Timeout  time.Duration
}

// Exec runs a command with the message on its standard input.
type Exec struct {
	Command  []string
	Env      map[string]string
	Dir      string
	Template string // of the input; "" is the message as JSON
	Timeout  time.Duration
}

// Alert is one alert block.
type Alert struct {
	Name     string
	Select   Select
	When     Condition
	Count    int           // evaluations in a row that hold
	For      time.Duration // or: how long it holds; 0 with Count
	Severity string
	Text     string // template over the values; "" is the condition
}

// Condition is the expression of an alert. Its methods are safe for concurrent use.
type Condition interface {
	// Holds evaluates it. A value that is not there makes it false; an error is one of the expression.
	Holds(v Values) (bool, error)
	// Reads reports whether a change of the published value may change the result.
	Reads(key string) bool
	// Source is the text of the expression.
	Source() string
}

// Values is what an alert's condition sees.
type Values struct {
	Task  string
	State map[string][]byte // published values as JSON
	Run   *Run              // the last one that ended; nil is none
}

// Run is a run as conditions see it.
type Run struct {
	Outcome  string
	Duration float64 // seconds
	Error    string
}

// Heartbeat is one heartbeat block.
type Heartbeat struct {
	Name      string
	URL       string // may hold a secret
	Method    string
	Every     time.Duration
	Timeout   time.Duration
	Healthy   bool     // only while no task that Select chooses is degraded
	Select    Select   // with Healthy
	OnSuccess []string // ping after every run of these that succeeded, in place of Every
}
