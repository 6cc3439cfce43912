package session

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

func progress(n int) *taskv1.PluginFrame {
	return &taskv1.PluginFrame{Body: &taskv1.PluginFrame_Progress{Progress: &taskv1.Progress{Done: int64(n)}}}
}

func result(run string) *taskv1.PluginFrame {
	return &taskv1.PluginFrame{Body: &taskv1.PluginFrame_RunResult{RunResult: &taskv1.RunResult{Run: run}}}
}

// drain pumps in the background and collects what is sent, with its time.
func drain(t *testing.T, o *outbox) func() []string {
	began := time.Now()
	var sent []string
	ended := make(chan error, 1)
	go func() {
		ended <- o.pump(t.Context(), func() uint64 { return 0 }, func(f *taskv1.PluginFrame) error {
			what := f.GetRunResult().GetRun()
			if f.GetProgress() != nil {
				what = fmt.Sprint(f.GetProgress().GetDone())
			}
			sent = append(sent, fmt.Sprintf("%d:%s@%s", f.Seq, what, time.Since(began)))
			return nil
		})
	}()
	return func() []string {
		o.finish()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		return sent
	}
}

func TestReportsAreSparseAndNeverLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox()
		end := drain(t, o)
		o.report("p", progress(1))         // at once: it was quiet
		time.Sleep(500 * time.Microsecond) // beside the bursts
		for n := 2; n <= 40; n++ {         // one a millisecond: two bursts
			o.report("p", progress(n))
			time.Sleep(time.Millisecond)
		}
		o.report("p", progress(41))
		o.add(result("r1")) // the report before it comes before it
		synctest.Wait()
		o.report("p", progress(42))
		o.add(result("r2"))
		o.report("p", progress(43)) // replaces 42 where that stood
		want := []string{"1:1@0s", "2:21@20ms", "3:41@39.5ms", "4:r1@39.5ms", "5:43@39.5ms", "6:r2@39.5ms"}
		if diff := cmp.Diff(want, end()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSeveralKeysInATightLoopDoNotFlood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox()
		o.report("a", progress(1))
		o.report("b", progress(2))
		sends := 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = o.pump(ctx, func() uint64 { return 0 }, func(*taskv1.PluginFrame) error {
				sends++
				o.report("a", progress(3)) // whenever one is sent, there is more
				o.report("b", progress(4))
				return nil
			})
		}()
		time.Sleep(time.Second - time.Millisecond)
		cancel()
		<-done
		if sends > 110 {
			t.Errorf("%d frames in a second", sends)
		}
	})
}

func TestARequestWaitsForRoomAndForItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox()
		for range outboxRequests {
			if err := o.request(t.Context(), result("")); err != nil {
				t.Fatal(err)
			}
		}
		own := errors.New("mine")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, own)
		defer cancel()
		if err := o.request(ctx, result("")); err != own {
			t.Errorf("request without room: %v", err)
		}
		entered := make(chan error, 1)
		go func() { entered <- o.request(t.Context(), result("")) }()
		synctest.Wait()
		end := drain(t, o)
		if err := <-entered; err != nil {
			t.Error(err)
		}
		if sent := end(); len(sent) != outboxRequests+1 {
			t.Errorf("%d frames were sent", len(sent))
		}
	})
}

// TestMessagesTravelTogetherAndInOrder plays random hosts that are quick or behind.
func TestMessagesTravelTogetherAndInOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		o := newOutbox()
		entered, settled, frames := map[uint64]bool{}, map[uint64]bool{}, 0
		var open []uint64
		take := func() {
			f := o.take(time.Time{}).frame
			if f == nil {
				return
			}
			frames++
			for _, tag := range f.GetMessagesEntered().GetTags() {
				entered[tag] = true
			}
			for _, m := range f.GetMessagesHandled().GetMessages() {
				if !entered[m.GetTag()] || settled[m.GetTag()] {
					t.Fatalf("seed %d: message %d is settled twice or before it is entered", seed, m.GetTag())
				}
				settled[m.GetTag()] = true
			}
			if f.GetMessagesHandled() != nil && len(f.GetMessagesHandled().GetOps()) > 0 && len(f.GetMessagesHandled().GetMessages()) != 1 {
				t.Fatalf("seed %d: a commit took another message along", seed)
			}
		}
		const n = 500
		for tag := uint64(1); tag <= n || len(open) > 0; {
			switch r.IntN(3) {
			case 0:
				if tag <= n {
					o.enter("r", []*taskv1.Delivery{{Tag: tag}})
					open = append(open, tag)
					tag++
				}
			case 1:
				if len(open) == 0 {
					continue
				}
				i := r.IntN(len(open))
				m := &taskv1.MessagesHandled{Run: "r", Messages: []*taskv1.Handled{{Tag: open[i]}}}
				if r.IntN(10) == 0 {
					m.Ops = []*taskv1.Op{{}}
				}
				o.settle(m)
				open = append(open[:i], open[i+1:]...)
			case 2:
				if r.IntN(int(seed)+1) == 0 {
					take()
				}
			}
		}
		for o.head < len(o.queue) {
			take()
		}
		if len(settled) != n {
			t.Errorf("seed %d: %d messages are settled", seed, len(settled))
		}
		if seed == 49 && frames > n {
			t.Errorf("a host that is behind got %d frames for %d messages", frames, n)
		}
	}
}

func TestFramesAreKeptUntilTheyAreAcknowledgedAndNoLonger(t *testing.T) {
	t.Parallel()
	o := newOutbox()
	for n := 1; n <= 5*outboxKept; n++ {
		o.add(result(""))
		o.take(time.Time{})
		if n%3 == 0 {
			o.acknowledge(uint64(n - outboxKept/2))
		}
	}
	last := uint64(5 * outboxKept)
	again, ok := o.since(last - 10)
	if !ok || len(again) != 10 || again[0].Seq != last-9 {
		t.Errorf("%d frames, %t", len(again), ok)
	}
	if len(o.kept) > 2*outboxKept || o.kept[0] != nil && o.keptHead > 0 {
		t.Errorf("%d frames are kept", len(o.kept))
	}
}
