package supervisor

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/task"
)

func TestAPauseAndItsEndAreToldWithWhoAskedForThem(t *testing.T) {
	t.Parallel()
	s := newSim(t, periodicTask())
	s.boot(task.Memory{})
	lunch := task.Command{Verb: task.VerbPause, Actor: "ben", Reason: "lunch"}
	s.must(lunch)
	s.must(lunch) // changes nothing, and is told once
	s.must(task.Command{Verb: task.VerbResume, Actor: "anna"})
	var told []string
	for _, e := range s.events {
		if strings.HasPrefix(e, "paused ") || strings.HasPrefix(e, "resumed ") {
			told = append(told, e)
		}
	}
	if diff := cmp.Diff([]string{"paused by ben: lunch", "resumed by anna"}, told); diff != "" {
		t.Error(diff)
	}
}
