package store

import (
	"slices"

	"github.com/taskhost/taskhost/host/internal/task"
)

// rememberHealth keeps what was remembered where it says the same, so that nothing is written anew for it.
func rememberHealth(before *task.Health, now task.Health) *task.Health {
	switch {
	case len(now.Reasons) == 0:
		return nil
	case before != nil && slices.Equal(before.Reasons, now.Reasons):
		return before
	}
	return &now
}
