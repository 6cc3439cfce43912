package queue

import (
	"bytes"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

func TestNothingIsLostWhileTheStoreTakesNoWrites(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q"), spec("out")})
		h := b.consume(consumes("q", func(d *task.Definition) { d.Outputs = map[string]string{"o": "out"} }), 4)
		b.post("q", "1", "2", "3", "4", "5", "6")
		ds := h.enter()
		b.store.SetFence(hosttest.Unavailable)
		h.settle(task.StatusSucceeded, ds[:1])
		h.expect("5")
		h.settle(task.StatusSucceeded, ds[1:2], task.Op{Kind: task.OpEmit, Output: "o", ID: "~1", Value: []byte("2")})
		h.settle(task.StatusFailed, ds[2:3])
		h.settle(task.StatusPermanent, ds[3:])
		later(time.Hour)
		h.expect() // nothing is handed out that could not be acknowledged
		s := b.status("q")
		wants(t, "status", []int{s.Messages, s.InFlight, s.Dead}, []int{6, 4, 0})
		_, err := b.Post(t.Context(), "q", task.NewMessage{Body: []byte("7")})
		refused(t, err, codeUnavailable)
		wants(t, "kept", b.kept("q"), []string{"1", "2", "3", "4", "5", "6"})

		h.Close("exit 1")
		b.store.SetFence(nil)
		later(time.Second)
		wants(t, "kept", b.kept("q"), []string{"3", "5", "6"})
		wants(t, "out", b.kept("out"), []string{"2"})
		wants(t, "dead", b.dead("q"), []string{"4 permanent: permanent"})
		wants(t, "attempts", b.store.Messages("q")[0].Attempts, 1)
		b.consume(consumes("q"), 4).expect("3", "5", "6")
	})
}

func TestACommitThatIsRefusedOnceTheStoreTakesWritesAgainHoldsUpNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &hosttest.QueueStore{Refuse: func(w *task.QueueWrite) error {
			if len(w.Ops) > 0 {
				return &task.Error{Code: "limit", Detail: "the store says no"}
			}
			return nil
		}}
		b := lay(t, store, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q"), 1)
		b.post("q", "1", "2")
		ds := h.enter()
		store.SetFence(hosttest.Unavailable)
		h.settle(task.StatusSucceeded, ds, task.Op{Kind: task.OpSave, Key: "k"})
		later(time.Minute)
		store.SetFence(nil)
		later(10 * time.Second)
		h.settle(task.StatusSucceeded, h.take())
		later(10 * time.Second)
		h.expect("1")
	})
}

func TestWhatAHostCouldNotWriteBeforeItsEndIsHandedOutAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &hosttest.QueueStore{}
		b := lay(t, store, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q"), 4)
		b.post("q", "1")
		ds := h.enter()
		store.SetFence(hosttest.Unavailable)
		h.settle(task.StatusSucceeded, ds)
		later(time.Minute)
		b.Close()
		b.kept("q")
		store.SetFence(nil)
		b = lay(t, store, nil, []task.Queue{spec("q")})
		b.consume(consumes("q"), 4).expect("1")
	})
}

func TestWhatIsSettledIsWrittenAtTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q"), 4)
		b.post("q", "1")
		ds := h.enter()
		h.settle(task.StatusSucceeded, ds)
		b.Close()
		wants(t, "kept", b.kept("q"), nil)
	})
}

func TestADiskThatTakesOnlyWhatMakesRoomIsToldOfOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var scarce atomic.Bool
		store := &hosttest.QueueStore{Refuse: func(w *task.QueueWrite) error {
			if scarce.Load() && len(w.Put)+len(w.Update)+len(w.Bury) > 0 {
				return hosttest.Unavailable
			}
			return nil
		}}
		b := lay(t, store, nil, []task.Queue{spec("in"), spec("out")})
		var said bytes.Buffer
		b.mu.Lock()
		b.cfg.Log = hclog.New(&hclog.LoggerOptions{Output: &said})
		b.mu.Unlock()
		fetch := b.consume(consumes("in", func(d *task.Definition) { d.Outputs = map[string]string{"o": "out"} }), 1)
		forward := b.consume(consumes("out", func(d *task.Definition) { d.Name = "forward" }), 1)
		for range 200 {
			b.post("out", "1")
		}
		b.post("in", `"page"`)
		scarce.Store(true)
		fetch.settle(task.StatusSucceeded, fetch.enter(), task.Op{Kind: task.OpEmit, Output: "o", ID: "~1", Value: []byte("2")})
		for range 100 {
			later(5 * time.Second)
			forward.settle(task.StatusSucceeded, forward.expect("1"))
		}
		later(5 * time.Second)
		if got := said.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "cannot be written") {
			t.Errorf("while the disk was nearly full this was said:\n%s", got)
		}
		scarce.Store(false)
		later(5 * time.Second)
		if got := said.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "can be written again") {
			t.Errorf("once there was room this had been said:\n%s", got)
		}
		wants(t, "in", b.kept("in"), nil)
		wants(t, "out", len(b.kept("out")), 101)
	})
}
