package queue

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// dies makes dead letters of new messages.
func (b *bed) dies(queue string, bodies ...string) (ids []string) {
	b.t.Helper()
	h := b.consume(consumes(queue, func(d *task.Definition) { d.Name = "undertaker" }), 1000)
	b.post(queue, bodies...)
	for ds := h.enter(); len(ds) > 0; ds = h.enter() {
		for _, d := range ds {
			ids = append(ids, d.Message.ID)
		}
		h.settle(task.StatusPermanent, ds)
	}
	h.Close("")
	return ids
}

func TestPeekShowsWhatIsThereInItsOrderPageByPage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		b.post("q", "1", "2", "3", "4", "5")
		h := b.consume(consumes("q"), 3)
		ds := h.enter()
		h.settle(task.StatusSucceeded, ds[1:2])
		h.settle(task.StatusFailed, ds[:1])
		h.Window(0)
		b.status("q")
		var got []string
		for cursor, more := "", true; more; more = cursor != "" {
			page, err := b.Peek(t.Context(), "q", 2, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range page.Items {
				got = append(got, fmt.Sprintf("%s %d %d", m.Body, m.Seq, m.Attempts))
			}
			cursor = page.Next
		}
		wants(t, "messages", got, []string{"1 1 1", "3 3 1", "4 4 0", "5 5 0"})
		for _, cursor := range []string{"x", "-1", "01", "1 ", strings.Repeat("9", 30)} {
			_, err := b.Peek(t.Context(), "q", 0, cursor)
			refused(t, err, task.CodeInvalid)
		}
		for _, limit := range []int{-1, 501} {
			_, err := b.Peek(t.Context(), "q", limit, "")
			refused(t, err, task.CodeInvalid)
		}
	})
}

func TestAPageOfLargeMessagesEndsEarly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", func(q *task.Queue) { q.MaxBytes = 1 << 30 })})
		large := `"` + strings.Repeat("x", 900<<10) + `"`
		for range 12 {
			b.post("q", large)
		}
		page, err := b.Peek(t.Context(), "q", 0, "")
		wants(t, "first page", []any{len(page.Items), page.Next, err}, []any{9, "9", nil})
		page, err = b.Peek(t.Context(), "q", 0, page.Next)
		wants(t, "second page", []any{len(page.Items), page.Next, err}, []any{3, "", nil})
	})
}

func TestDeadLettersComeBackAsNewMessages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", func(q *task.Queue) { q.MaxAge = time.Hour })})
		ids := b.dies("q", "1", "2", "3")
		wants(t, "dead", b.status("q").Dead, 3)
		later(2 * time.Hour)
		moved, err := b.Redrive(t.Context(), "q", []string{ids[2], ids[0], ids[2]}, "eva")
		if err != nil || len(moved) != 2 {
			t.Fatalf("moved %v, %v", moved, err)
		}
		h := b.consume(consumes("q"), 10)
		ds := h.expect("1", "3")
		m := ds[0].Message
		wants(t, "message", []any{m.ID, m.RedrivenFrom, m.Source, ds[0].Attempt, m.LastError}, []any{moved[0], ids[0], "eva", 1, ""})
		wants(t, "dead", []any{b.dead("q"), b.status("q").Dead}, []any{[]string{"2 permanent: permanent"}, 1})
		wants(t, "events", b.told(kindRedriven), []string{"q: 2 by eva"})
	})
}

func TestRedriveOfUnknownIDsMovesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		ids := b.dies("q", "1")
		_, err := b.Redrive(t.Context(), "q", []string{ids[0], "other", "one more"}, "eva")
		if e := refused(t, err, task.CodeDeadUnknown); !strings.Contains(e.Detail, `"other", "one more"`) {
			t.Errorf("%v does not name what is unknown", e)
		}
		wants(t, "dead", len(b.dead("q")), 1)
		_, err = b.Redrive(t.Context(), "p", nil, "eva")
		refused(t, err, task.CodeQueueUnknown)
		moved, err := b.Redrive(t.Context(), "q", nil, "eva")
		wants(t, "all", []any{len(moved), err}, []any{1, nil})
		moved, err = b.Redrive(t.Context(), "q", nil, "eva")
		wants(t, "none", []any{len(moved), err}, []any{0, nil})
	})
}

func TestRedriveMovesWhatFits(t *testing.T) {
	for _, o := range []task.Overflow{task.OverflowReject, task.OverflowDropOldest, task.OverflowBlock} {
		inBubble(t, func(t *testing.T) {
			b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", bounded(200, o))})
			bodies := strings.Fields(strings.Repeat("1 ", 180))
			b.dies("q", bodies...)
			b.post("q", bodies[:80]...)
			moved, err := b.Redrive(t.Context(), "q", nil, "eva")
			refused(t, err, task.CodeQueueFull)
			wants(t, "moved and left", []int{len(moved), len(b.kept("q")), b.status("q").Dead}, []int{120, 200, 60})
			wants(t, "dropped", b.status("q").Dropped, 0)
		})
	}
}

func TestDeadLettersOfAnEarlierHostComeBackToo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		store := &hosttest.QueueStore{}
		b := lay(t, store, nil, []task.Queue{spec("q"), spec("old")})
		b.dies("q", "1", "2")
		b.dies("old", "3")
		b.Close()
		b = lay(t, store, nil, []task.Queue{spec("q")})
		moved, err := b.Redrive(t.Context(), "q", nil, "eva")
		wants(t, "moved", []any{len(moved), err, b.kept("q")}, []any{2, nil, []string{"1", "2"}})
		wants(t, "not declared", []any{b.status("old").Declared, b.status("old").Dead}, []any{false, 1})
		_, err = b.Redrive(t.Context(), "old", nil, "eva")
		refused(t, err, task.CodeQueueUnknown)
		n, err := b.Purge(t.Context(), "old", true, "eva")
		wants(t, "purge", []any{n, err}, []any{1, nil})
		if _, ok := b.Queue("old"); ok {
			t.Error("the queue is still to be seen although nothing is left of it")
		}
	})
}

func TestTwoWhoRedriveAtOnceMoveNothingTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{Time: time.Second}, nil, []task.Queue{spec("q")})
		h := b.consume(consumes("q"), 10)
		for _, body := range []string{"1", "2"} {
			b.post("q", body)
			h.settle(task.StatusPermanent, h.take())
		}
		later(3 * time.Second)
		h.Close("")
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				if _, err := b.Redrive(t.Context(), "q", nil, "eva"); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		wants(t, "kept", b.kept("q"), []string{"1", "2"})
	})
}

func TestWhatDiesDuringARedriveIsNotMovedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{Time: time.Millisecond}, nil, []task.Queue{spec("q")})
		bodies := strings.Fields(strings.Repeat("1 ", 300))
		b.dies("q", bodies...)
		later(time.Second)
		// A consumer that gives up at once whatever comes.
		var h *hand
		h = &hand{t: t}
		def := consumes("q")
		ready := make(chan struct{})
		h.Consumer = b.Consume(&def, "r", func(ds []task.Delivery) { <-ready; h.settle(task.StatusPermanent, ds) })
		close(ready)
		h.Window(10)
		moved, err := b.Redrive(t.Context(), "q", nil, "eva")
		later(time.Minute)
		wants(t, "moved", []any{len(moved), err, b.status("q").Dead, b.status("q").Messages}, []any{300, nil, 300, 0})
	})
}

func TestPurgeTakesWhatWaitsAndNothingElse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q", func(q *task.Queue) { q.MaxMessages = 5000 })})
		ids := b.dies("q", "0")
		h := b.consume(consumes("q"), 2)
		b.post("q", "1", "2")
		ds := h.enter()
		for range 2500 {
			b.post("q", "3")
		}
		h.Window(1)
		h.settle(task.StatusFailed, ds[:1])
		n, err := b.Purge(t.Context(), "q", false, "eva")
		wants(t, "purge", []any{n, err, b.kept("q")}, []any{2501, nil, []string{"2"}})
		n, err = b.Purge(t.Context(), "q", true, "eva")
		wants(t, "purge of dead letters", []any{n, err, len(b.dead("q")), len(ids)}, []any{1, nil, 0, 1})
		wants(t, "events", b.told(kindPurged), []string{"q: 2501 messages by eva", "q: 1 dead letters by eva"})
		wants(t, "status", []int{b.status("q").Messages, b.status("q").Ready, b.status("q").Delayed}, []int{1, 0, 0})
		_, err = b.Purge(t.Context(), "none", true, "eva")
		refused(t, err, task.CodeQueueUnknown)
	})
}

func TestAPurgeThatCannotBeWrittenIsNone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		b := lay(t, &hosttest.QueueStore{}, nil, []task.Queue{spec("q")})
		b.post("q", "1", "2")
		b.store.SetFence(hosttest.Unavailable)
		n, err := b.Purge(t.Context(), "q", false, "eva")
		wants(t, "purged", n, 0)
		refused(t, err, codeUnavailable)
		b.consume(consumes("q"), 5).expect("1", "2")
	})
}
