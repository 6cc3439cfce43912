package queue

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestAMessageThatFailsComesAgainWithGrowingDelaysAndIsADeadLetterInTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q"), 10)
		b.post("q", "1")
		for attempt, wait := range []time.Duration{0, time.Second, 2 * time.Second} {
			if wait > 0 {
				later(wait * 79 / 100)
				h.expect()
				wants(t, "delayed", b.status("q").Delayed, 1)
				later(wait * 42 / 100)
			}
			ds := h.enter()
			wants(t, "attempt", []any{len(ds), ds[0].Attempt, ds[0].Message.Attempts}, []any{1, attempt + 1, attempt})
			h.settle(task.StatusFailed, ds)
			b.kept("q")
			if m := b.store.Messages("q"); attempt < 2 {
				wants(t, "kept", []any{m[0].Attempts, m[0].LastError}, []any{attempt + 1, "failed"})
			}
		}
		wants(t, "dead", b.dead("q"), []string{"1 failed: failed"})
		wants(t, "failed", b.status("q").Failed, 3)
		wants(t, "events", len(b.told(KindDead)), 1)
	})
}

func TestWhatBecomesOfAHandledMessage(t *testing.T) {
	fail := func(status task.RunStatus, text string) task.HandledMessage {
		return task.HandledMessage{Status: status, Message: text}
	}
	long := strings.Repeat("ä", 2000)
	for name, c := range map[string]struct {
		handled task.HandledMessage
		kept    string // attempts, last error and delay of the message that stays
		dead    string
	}{
		"succeeded":            {fail(task.StatusSucceeded, ""), "", ""},
		"skipped":              {fail(task.StatusSkipped, "nothing to do"), "", ""},
		"failed":               {fail(task.StatusFailed, "no"), "1 no 1s", ""},
		"panic":                {fail(task.StatusPanic, "boom"), "1 boom 1s", ""},
		"unhealthy":            {fail(task.StatusUnhealthy, "ill"), "1 ill 1s", ""},
		"unknown":              {fail("odd", ""), "1 odd 1s", ""},
		"nothing said":         {fail("", ""), "1 failed 1s", ""},
		"retry after":          {task.HandledMessage{Status: task.StatusRetryAfter, Message: "busy", RetryAfter: time.Hour}, "1 busy 1h0m0s", ""},
		"retry after nothing":  {task.HandledMessage{Status: task.StatusRetryAfter, Message: "busy"}, "1 busy 1s", ""},
		"retry in the past":    {task.HandledMessage{Status: task.StatusRetryAfter, Message: "busy", RetryAfter: -time.Hour}, "1 busy 1s", ""},
		"retry after 300 y":    {task.HandledMessage{Status: task.StatusRetryAfter, Message: "busy", RetryAfter: 1<<63 - 1}, "1 busy 8760h0m0s", ""},
		"permanent":            {fail(task.StatusPanic, ""), "1 panic 1s", ""},
		"permanent with cause": {fail(task.StatusPermanent, "bad address"), "", "1 permanent: bad address"},
		"interrupted":          {fail(task.StatusInterrupted, ""), "0  0s", ""},
		"a long text":          {fail(task.StatusFailed, long), "1 " + long[:maxErrorText] + " 1s", ""},
		"a broken text":        {fail(task.StatusFailed, "a\xffb"), "1 a\uFFFDb 1s", ""},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
				h := b.consume(consumes("q"), 10)
				b.post("q", "1")
				ds := h.enter()
				h.Window(0)
				c.handled.Tag = ds[0].Tag
				h.Handled(task.Handled{Messages: []task.HandledMessage{c.handled}})
				h.Handled(task.Handled{Messages: []task.HandledMessage{c.handled}}) // says it twice
				dead := strings.Join(b.dead("q"), "")
				kept := ""
				if page, err := b.Peek(t.Context(), "q", 0, ""); err != nil {
					t.Fatal(err)
				} else if len(page.Items) > 0 {
					m := page.Items[0]
					delay := time.Duration(0)
					if !m.NotBefore.IsZero() {
						delay = time.Until(m.NotBefore)
					}
					if delay > 700*time.Millisecond && delay < 1300*time.Millisecond {
						delay = time.Second
					}
					kept = fmt.Sprintf("%d %s %s", m.Attempts, m.LastError, delay)
					if s := b.store.Messages("q")[0]; s.Attempts != m.Attempts || s.LastError != m.LastError || !s.NotBefore.Equal(m.NotBefore) {
						t.Errorf("the store has %+v, memory %+v", s, m)
					}
				}
				wants(t, "kept and dead", []string{kept, dead}, []string{c.kept, c.dead})
			})
		})
	}
}

func TestABatchIsSettledMessageByMessage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q"), spec("out")})
		def := consumes("q", func(d *task.Definition) { d.Outputs = map[string]string{"o": "out"} })
		h := b.consume(def, 10)
		b.post("q", "1", "2", "3")
		ds := h.enter()
		h.Handled(task.Handled{
			Messages: []task.HandledMessage{
				{Tag: ds[0].Tag, Status: task.StatusFailed, Message: "no"},
				{Tag: ds[1].Tag, Status: task.StatusSucceeded},
				{Tag: ds[2].Tag, Status: task.StatusPermanent, Message: "never"},
				{Tag: 999, Status: task.StatusSucceeded},
			},
			Ops: []task.Op{{Kind: task.OpSave, Key: "at", Value: []byte("2")}, {Kind: task.OpEmit, Output: "o", ID: "~x", Value: []byte(`"two"`)}},
		})
		wants(t, "kept", b.kept("q"), []string{"1"})
		wants(t, "out", b.kept("out"), []string{`"two"`})
		wants(t, "dead", b.dead("q"), []string{"3 permanent: never"})
		wants(t, "ops", len(b.store.Ops()), 1)
		wants(t, "source", b.store.Messages("out")[0].Source, "message "+ds[1].Message.ID)
	})
}

func TestOpsOfABatchInWhichNothingSucceededAreNotApplied(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q"), 10)
		b.post("q", "1")
		h.settle(task.StatusFailed, h.enter(), task.Op{Kind: task.OpSave, Key: "k", Value: []byte("1")})
		wants(t, "ops", b.store.Ops(), []task.Op(nil))
		wants(t, "delayed", b.status("q").Delayed, 1)
	})
}

func TestACommitThatIsRefusedFailsWhatItWouldHaveAcknowledged(t *testing.T) {
	emit := func(op task.Op) task.Op { op.Kind = task.OpEmit; return op }
	full := func(q *task.Queue) { q.MaxMessages = 1 }
	for name, c := range map[string]struct {
		op   task.Op
		out  task.Queue
		want string
	}{
		"id reused":        {emit(task.Op{Output: "o", ID: "used", Value: []byte("2")}), spec("out"), "was used for another"},
		"queue full":       {emit(task.Op{Output: "o", ID: "~a", Value: []byte("2")}), spec("out", full), `the queue "out" is full`},
		"no JSON":          {emit(task.Op{Output: "o", Value: []byte("{")}), spec("out"), "is not JSON"},
		"not wired":        {emit(task.Op{Output: "p", Value: []byte("2")}), spec("out"), "is not wired"},
		"no such queue":    {emit(task.Op{Output: "lost", Value: []byte("2")}), spec("out"), `there is no queue "ouf"; did you mean "out"?`},
		"a long id":        {emit(task.Op{Output: "o", ID: strings.Repeat("x", 200), Value: []byte("2")}), spec("out"), "cannot be taken"},
		"an odd key":       {emit(task.Op{Output: "o", Key: "a\x00", Value: []byte("2")}), spec("out"), "cannot be taken"},
		"too large":        {emit(task.Op{Output: "o", Value: json.RawMessage(`"` + strings.Repeat("x", 1<<20) + `"`)}), spec("out"), "bytes"},
		"of the store":     {task.Op{Kind: task.OpSave, Key: "bad"}, spec("out"), "the store says no"},
		"unknown kind too": {task.Op{Kind: "odd", Key: "bad"}, spec("out"), "the store says no"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				store := &hosttest.QueueStore{Refuse: func(w *task.QueueWrite) error {
					if len(w.Ops) > 0 && w.Ops[0].Key == "bad" {
						return &task.Error{Code: "limit", Detail: "the store says no"}
					}
					return nil
				}}
				b := lay(t, store, nil, []task.Queue{spec("q"), c.out})
				b.send("out", task.NewMessage{ID: "used", Body: []byte("1")})
				h := b.consume(consumes("q", func(d *task.Definition) { d.Outputs = map[string]string{"o": "out", "lost": "ouf"} }), 1)
				b.post("q", "1")
				for range 3 {
					ds := h.enter()
					wants(t, "message", bodiesOf(ds), []string{"1"})
					h.settle(task.StatusSucceeded, ds, c.op)
					later(3 * time.Second)
				}
				dead := b.dead("q")
				if len(dead) != 1 || !strings.Contains(dead[0], c.want) || !strings.HasPrefix(dead[0], "1 failed: ") {
					t.Errorf("dead letters: %q, want the reason %q", dead, c.want)
				}
				wants(t, "out", b.kept("out"), []string{"1"})
				s := b.status("out")
				wants(t, "room of out", []any{s.Messages, b.lines["out"].reserved}, []any{1, room{}})
			})
		})
	}
}

func TestIDsAreRememberedUnlessTheyAreDerivedAndAcknowledgedWith(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var puts []task.Put
		store := &hosttest.QueueStore{Refuse: func(w *task.QueueWrite) error { puts = append(puts, w.Put...); return nil }}
		b := lay(t, store, nil, []task.Queue{spec("q"), spec("out")})
		def := consumes("q", func(d *task.Definition) { d.Outputs = map[string]string{"o": "out"} })
		emits := []task.Op{
			{Kind: task.OpEmit, Output: "o", ID: "~a", Key: "k", Value: []byte("1")},
			{Kind: task.OpEmit, Output: "o", ID: "b", Value: []byte("2")},
			{Kind: task.OpEmit, Output: "o", Value: []byte("3")},
		}
		commit := task.EmitCommit{Task: "t", Run: "r", Outputs: def.Outputs, Ops: emits}
		if err := b.Commit(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
		wants(t, "out", b.kept("out"), []string{"1", "2", "3", "3"})
		s := b.status("out")
		wants(t, "counts", []any{s.Posted, s.Duplicate, b.store.Messages("out")[0].Source}, []any{4, 2, "run r"})

		h := b.consume(def, 1)
		b.post("q", "1")
		puts = nil
		h.settle(task.StatusSucceeded, h.enter(), emits...)
		b.kept("out")
		var remembered []time.Duration
		for _, p := range puts {
			remembered = append(remembered, p.RememberFor)
		}
		wants(t, "remembered", remembered, []time.Duration{0, time.Hour, 0})
	})
}

func TestAnAttemptBecomesDurableWhenItsHandlerIsAtWorkForLonger(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q"), 10)
		attempts := func() (out []int) {
			for _, m := range b.store.Messages("q") {
				out = append(out, m.Attempts)
			}
			return out
		}
		b.post("q", "1", "2")
		ds := h.take()
		later(time.Minute)
		wants(t, "not entered", attempts(), []int{0, 0})
		h.Entered(tags(ds[:1]))
		h.Entered(tags(ds[:1]))
		later(200 * time.Millisecond)
		h.Entered(tags(ds[1:]))
		wants(t, "early", attempts(), []int{0, 0})
		later(100 * time.Millisecond)
		wants(t, "after 300 ms", attempts(), []int{1, 0})
		later(200 * time.Millisecond)
		wants(t, "after 500 ms", attempts(), []int{1, 1})
		_, writes, _ := b.store.Counts()
		later(time.Minute)
		_, same, _ := b.store.Counts()
		wants(t, "writes", same, writes)
		h.Window(0)
		h.settle(task.StatusInterrupted, ds)
		later(time.Second)
		wants(t, "given back", attempts(), []int{0, 0})
	})
}

func TestALastAttemptThatTheHostDiedUnderIsNotRepeated(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &hosttest.QueueStore{}
		queues := []task.Queue{spec("q", func(q *task.Queue) { q.MaxDeliveries = 1 })}
		b := lay(t, store, nil, queues)
		b.post("q", "1")
		b.consume(consumes("q"), 10).enter()
		later(time.Second)
		b.Close() // as a host that dies: its consumers are not closed

		b = lay(t, store, nil, queues)
		b.consume(consumes("q"), 10).expect()
		wants(t, "dead", b.dead("q"), []string{"1 failed: " + hostDied})
	})
}
