package runner

import (
	"fmt"

	"github.com/taskhost/taskhost/host/internal/task"
)

// moving says that the process, which others share, should be left.
type moving struct{ reason string }

// share is how the task shares its process; nil when it has one of its own.
func (a *actor) share() *task.Share {
	if a.def.Process != task.ProcessShared {
		return nil
	}
	return &task.Share{
		Block: a.def.Block,
		Max:   a.def.MaxPerProcess,
		Move:  func(reason string) { a.box.command(moving{reason}) },
	}
}

// launchLine says which process the task has.
func (a *actor) launchLine(info task.ProcessInfo) {
	how := "launched plugin %s as process %d"
	if a.def.Process == task.ProcessShared {
		how = "opened in plugin %s, process %d, which instances of this block share"
	}
	a.line("info", fmt.Sprintf(how, pluginText(a.def.Plugin, info.Version), info.PID), nil)
}
