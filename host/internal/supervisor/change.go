package supervisor

import "github.com/taskhost/taskhost/host/internal/task"

// Change says what a new definition of a task means for it.
type Change string

const (
	Unchanged      Change = "no change"
	ChangedLive    Change = "live"     // the task goes on, from now by the new definition
	ChangedNextRun Change = "next run" // likewise, but what is at work finishes as it began
	Restarted      Change = "restart"  // drained, then started anew
)

// Compare says what it means for a task that is defined as old to be defined as new, by the table task.Attributes.
// The whole definitions count, so that no attribute is forgotten.
func Compare(old, new *task.Definition) Change {
	change := Unchanged
	for _, a := range task.ChangedAttributes(old, new) {
		switch {
		case a.Class == task.ClassRestart:
			return Restarted
		case a.Class == task.ClassNextRun:
			change = ChangedNextRun
		case a.Class == task.ClassLive && change == Unchanged:
			change = ChangedLive
		}
	}
	return change
}
