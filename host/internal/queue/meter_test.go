package queue

import (
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestAMeterKnowsTheLastMinute(t *testing.T) {
	t.Parallel()
	at := func(s int64) int64 { return 1_800_000_000*int64(time.Second) + s*int64(time.Second) }
	var m meter
	wants(t, "at first", m.rate(at(0)), 0.0)
	for s := range int64(120) {
		for range 3 {
			m.pass(at(s))
		}
	}
	wants(t, "in step", m.rate(at(119)), 3.0)
	wants(t, "half a minute later", m.rate(at(149)), 1.5)
	wants(t, "long after", m.rate(at(500)), 0.0)
	m.pass(at(501))
	m.pass(at(560))
	wants(t, "the first and the last second", m.rate(at(560)), 2.0/60)
	wants(t, "and one later", m.rate(at(561)), 1.0/60)
	m.pass(at(100))
	wants(t, "after the clock was set back", m.rate(at(100)), 1.0/60)
}

func TestAQueueSaysHowMuchComesAndGoes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q"), 2)
		b.post("q", "1", "2", "3")
		h.settle(task.StatusSucceeded, h.expect("1", "2"))
		later(10 * time.Second)
		s := b.status("q")
		wants(t, "rates", []float64{s.In, s.Out}, []float64{3.0 / 60, 2.0 / 60})
		later(time.Minute)
		s = b.status("q")
		wants(t, "a minute later", []float64{s.In, s.Out}, []float64{0, 0})
	})
}
