package supervisor

import (
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Nothing but time happens to such a task between its runs: its loop must wake by itself, ahead of
// each slot, the first one included.
func TestAProcessPerRunIsUpWhenItsSlotIsDue(t *testing.T) {
	for name, change := range map[string]func(*task.Definition){
		"run":             func(d *task.Definition) { d.Process = task.ProcessRun },
		"auto with idles": func(d *task.Definition) { d.Process, d.Idle = task.ProcessAuto, time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, h *host) {
				h.engine.behave = func(*task.Definition) behaviour {
					b := good()
					b.launch = 100 * time.Millisecond
					return b
				}
				def := periodicTask()
				change(&def)
				h.apply(nil, def)
				h.pass(36 * time.Second)
				runs := 0
				for _, r := range h.journal.runs {
					if runs++; r.Started.Sub(r.Slot) > time.Millisecond {
						t.Errorf("the run of %s began %s late", r.Slot.Format(time.TimeOnly), r.Started.Sub(r.Slot))
					}
				}
				if runs < 3 {
					t.Errorf("%d runs in 36 s of a task that is due every 10 s", runs)
				}
			})
		})
	}
}
