package queue

import (
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestWhatAProcessLeftComesBack(t *testing.T) {
	for name, c := range map[string]struct {
		crash string
		want  string // attempts and crashes of what was entered
	}{
		"the run has returned": {"", "[1 0]"},
		"it crashed":           {"exit 3", "[1 1]"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
				b.post("q", "1", "2")
				h := b.consume(consumes("q"), 10)
				ds := h.take()
				h.Entered(tags(ds[:1]))
				h.Close(c.crash)
				h.Close(c.crash)
				h.settle(task.StatusSucceeded, ds) // too late
				b.status("q")
				kept := b.store.Messages("q")
				wants(t, "entered", []int{kept[0].Attempts, kept[0].Crashes}, []int{1, map[string]int{"": 0, "exit 3": 1}[c.crash]})
				wants(t, "not entered", []int{kept[1].Attempts, kept[1].Crashes}, []int{0, 0})
				wants(t, "consumers", len(b.status("q").Consumers), 0)
				next := b.consume(consumes("q"), 10)
				later(2 * time.Second)
				wants(t, "come back", len(next.take()), map[string]int{"": 2, "exit 3": 1}[c.crash])
			})
		})
	}
}

func TestAMessageThatCrashedAProcessIsHandedOutAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		b.post("q", `"bad"`)
		h := b.consume(consumes("q"), 10)
		h.enter()
		h.Close("exit 3")

		b.post("q", "1", "2", "3", "4", "5")
		one := b.consume(consumes("q"), 2)
		busy := one.expect("1", "2")
		two := b.consume(consumes("q", func(d *task.Definition) { d.Name = "other" }), 1)
		three := two.expect("3")
		later(2 * time.Second)
		// The consumer with the fewest in hand makes itself free for it, the other one goes on.
		one.settle(task.StatusSucceeded, busy)
		busy = one.expect("4", "5")
		two.settle(task.StatusSucceeded, three)
		ds := two.expect(`"bad"`)
		wants(t, "alone", []any{ds[0].Alone, ds[0].Attempt}, []any{true, 2})
		two.Window(100)
		one.settle(task.StatusSucceeded, busy)
		b.post("q", "6", "7", "8")
		one.expect("6", "7")
		two.settle(task.StatusSucceeded, ds)
		two.expect("8")
	})
}

func TestOthersAreHandledBetweenMessagesThatCrashedAProcess(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", func(q *task.Queue) { q.MaxDeliveries = 2 })})
		b.post("q", `"bad 1"`, `"bad 2"`, `"good 1"`, `"good 2"`, `"good 3"`)
		h := b.consume(consumes("q"), 2)
		h.enter()
		h.Close("exit 3")
		later(2 * time.Second)
		h = b.consume(consumes("q"), 2)
		h.Window(2)
		var order []string
		for range 5 {
			ds := h.enter()
			for _, d := range ds {
				text := string(d.Message.Body)
				if d.Alone {
					text += " alone"
				}
				order = append(order, text)
			}
			h.settle(task.StatusSucceeded, ds)
		}
		wants(t, "order", order, []string{`"bad 1" alone`, `"good 1"`, `"good 2"`, `"bad 2" alone`, `"good 3"`})
	})
}

func TestAMessageThatCrashesEveryProcessIsADeadLetterAndTakesNobodyAlong(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", func(q *task.Queue) { q.MaxDeliveries = 2 })})
		b.post("q", `"bad"`, `"good"`)
		done := map[string]int{}
		for range 4 {
			h := b.consume(consumes("q"), 10)
			for range 3 {
				ds := h.enter()
				bad := false
				for _, d := range ds {
					bad = bad || string(d.Message.Body) == `"bad"`
				}
				if bad {
					h.Close("ended by signal: killed")
					break
				}
				for _, d := range ds {
					done[string(d.Message.Body)]++
				}
				h.settle(task.StatusSucceeded, ds)
			}
			later(3 * time.Second)
			h.Close("")
		}
		wants(t, "done", done, map[string]int{`"good"`: 1})
		wants(t, "dead", b.dead("q"), []string{`"bad" crashed: crashed twice: ended by signal: killed`})
		wants(t, "left", b.status("q").Messages, 0)
	})
}

func TestAPausedProcessIsNotKeptFreeForASuspect(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		b.post("q", `"bad"`)
		h := b.consume(consumes("q"), 10)
		h.enter()
		h.Close("exit 3")
		one := b.consume(consumes("q"), 1)
		b.post("q", `"long"`)
		one.expect(`"long"`)
		later(2 * time.Second) // one is to be free for the suspect
		b.post("q", `"next"`)
		one.expect()
		b.Pause("worker", true)
		two := b.consume(consumes("q", func(d *task.Definition) { d.Name = "other" }), 1)
		two.settle(task.StatusSucceeded, two.expect(`"bad"`))
		two.expect(`"next"`)
	})
}
