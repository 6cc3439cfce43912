package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Scope is what a token is limited to. The zero Scope is no limit. With one, what it does not name is
// not there for the token: a scope of tasks has no queues, one of queues no tasks.
type Scope struct {
	Tasks  []string          `json:"tasks,omitempty"`  // names; "block.*" is every instance of a for_each block
	Labels map[string]string `json:"labels,omitempty"` // tasks with all of them
	Queues []string          `json:"queues,omitempty"` // names
}

// All reports whether there is no limit.
func (s Scope) All() bool { return len(s.Tasks) == 0 && len(s.Labels) == 0 && len(s.Queues) == 0 }

// everyInstance ends a name that means the instances of a block.
const everyInstance = ".*"

// Task reports whether the task is in the scope. A task that is no longer in the configuration has no
// labels.
func (s Scope) Task(name string, labels map[string]string) bool {
	if s.All() {
		return true
	}
	for _, t := range s.Tasks {
		block, all := strings.CutSuffix(t, everyInstance)
		if t == name || all && strings.HasPrefix(name, block+".") {
			return true
		}
	}
	return len(s.Labels) > 0 && carries(labels, s.Labels)
}

func carries(labels, want map[string]string) bool {
	for k, v := range want {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// Queue reports whether the queue is in the scope.
func (s Scope) Queue(name string) bool { return s.All() || slices.Contains(s.Queues, name) }

const (
	maxNames = 200 // in one scope
	maxLabel = 256 // bytes of a label's key or value
)

// check refuses a scope that means nothing for the role. Names that are not there yet are fine.
func (s Scope) check(role Role) error {
	switch {
	case role == Admin && !s.All():
		return fmt.Errorf("an admin commands the whole host and has no tasks or queues of his own; leave them out, or make an operator")
	case role == Producer && (len(s.Tasks) > 0 || len(s.Labels) > 0):
		return fmt.Errorf("a producer posts messages and sees no tasks; name queues, or nothing for every queue with ingress = true")
	case len(s.Tasks) > 0 && len(s.Labels) > 0:
		return fmt.Errorf("a token is for tasks by name or by label, not both; make two tokens")
	case len(s.Tasks)+len(s.Labels)+len(s.Queues) > maxNames:
		return fmt.Errorf("a token is for at most %d names; use labels", maxNames)
	}
	for _, name := range s.Tasks {
		if block, all := strings.CutSuffix(name, everyInstance); !task.ValidTask(name) && !(all && task.ValidName(block)) {
			return fmt.Errorf("%q is no task's name; write one such as homepage or site.shop, or site.* for all tasks of a block", clip(name))
		}
	}
	for _, name := range s.Queues {
		if !task.ValidName(name) {
			return fmt.Errorf("%q is no queue's name", clip(name))
		}
	}
	for k, v := range s.Labels {
		if k == "" || len(k) > maxLabel || len(v) > maxLabel {
			return fmt.Errorf("%q is no label", clip(k+"="+v))
		}
	}
	return nil
}

// clone is a scope that shares nothing with s.
func (s Scope) clone() Scope {
	return Scope{Tasks: slices.Clone(s.Tasks), Labels: maps.Clone(s.Labels), Queues: slices.Clone(s.Queues)}
}

func clip(text string) string {
	if len(text) <= 80 {
		return text
	}
	return strings.ToValidUTF8(text[:80], "") + "…"
}
