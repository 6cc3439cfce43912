package feed

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

func event(seq uint64, name string) task.Event { return task.Event{Seq: seq, Task: name} }

func ofTask(name string) func(task.Event) bool {
	return func(e task.Event) bool { return e.Task == name }
}

func TestReaderGetsWhatItsFilterWantsInOrder(t *testing.T) {
	t.Parallel()
	f := New()
	r := f.Subscribe(ofTask("a"), 8)
	defer r.Close()
	f.Publish([]task.Event{event(1, "a"), event(2, "b"), event(3, "a")})
	for _, want := range []uint64{1, 3} {
		e, err := r.Next(t.Context())
		if err != nil || e.Seq != want {
			t.Fatalf("Next = %d, %v; want %d", e.Seq, err, want)
		}
	}
}

func TestWhatHasComeIsTakenWithoutAWait(t *testing.T) {
	t.Parallel()
	f := New()
	r := f.Subscribe(nil, 8)
	if e, ok := r.Waiting(); ok {
		t.Errorf("%+v has come before anything was published", e)
	}
	f.Publish([]task.Event{event(1, "a"), event(2, "a"), event(3, "a")})
	if e, err := r.Next(t.Context()); err != nil || e.Seq != 1 {
		t.Errorf("Next = %d, %v", e.Seq, err)
	}
	for _, want := range []uint64{2, 3} {
		if e, ok := r.Waiting(); !ok || e.Seq != want {
			t.Errorf("Waiting = %d, %v; want %d", e.Seq, ok, want)
		}
	}
	r.Close()
	if e, ok := r.Waiting(); ok {
		t.Errorf("%+v has come after the end", e)
	}
}

func TestSlowReaderIsCutAndToldAfterWhatItHas(t *testing.T) {
	t.Parallel()
	f := New()
	r := f.Subscribe(nil, 2)
	for seq := uint64(1); seq <= 5; seq++ {
		f.Publish([]task.Event{event(seq, "a")})
	}
	for _, want := range []uint64{1, 2} {
		if e, err := r.Next(t.Context()); err != nil || e.Seq != want {
			t.Fatalf("Next = %d, %v; want %d", e.Seq, err, want)
		}
	}
	for range 2 {
		if _, err := r.Next(t.Context()); !errors.Is(err, ErrLagged) {
			t.Fatalf("Next after the cut = %v; want ErrLagged", err)
		}
	}
	if n := f.Readers(); n != 0 {
		t.Errorf("%d readers stay after the cut", n)
	}
	r.Close()
}

func TestCloseEndsReadersNowAndLater(t *testing.T) {
	t.Parallel()
	f := New()
	before := f.Subscribe(nil, 1)
	f.Close()
	f.Close()
	after := f.Subscribe(nil, 1)
	for _, r := range []*Reader{before, after} {
		if _, err := r.Next(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("Next = %v; want ErrClosed", err)
		}
		r.Close()
	}
	f.Publish([]task.Event{event(1, "a")})
	if err := f.Wait(t.Context(), nil, func() bool { return false }); !errors.Is(err, ErrClosed) {
		t.Errorf("Wait = %v; want ErrClosed", err)
	}
}

func TestNextEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := New().Subscribe(nil, 1)
	defer r.Close()
	cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v; want the context's error", err)
	}
}

func TestWaitSeesWhatHoldsAlreadyAndWhatComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := New()
		if err := f.Wait(t.Context(), nil, func() bool { return true }); err != nil {
			t.Fatalf("Wait for what holds = %v", err)
		}
		var state atomic.Int64
		done := make(chan error, 1)
		go func() { done <- f.Wait(t.Context(), ofTask("a"), func() bool { return state.Load() == 3 }) }()
		for i := int64(1); i <= 3; i++ {
			synctest.Wait()
			select {
			case err := <-done:
				t.Fatalf("Wait returned %v at %d", err, i-1)
			default:
			}
			state.Store(i)
			f.Publish([]task.Event{event(uint64(i), "a")})
		}
		if err := <-done; err != nil {
			t.Fatalf("Wait = %v", err)
		}
		if n := f.Readers(); n != 0 {
			t.Errorf("%d readers stay", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := f.Wait(ctx, nil, func() bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Wait = %v; want the deadline", err)
		}
	})
}

// A wait must neither hang nor miss its condition while events pour in faster than it looks.
func TestWaitSurvivesAFlood(t *testing.T) {
	t.Parallel()
	f := New()
	var value atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := f.Wait(t.Context(), nil, func() bool { return value.Load() == 20_000 }); err != nil {
				t.Errorf("Wait = %v", err)
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			for range 10_000 {
				f.Publish([]task.Event{event(uint64(value.Add(1)), "a")})
			}
		})
	}
	wg.Go(func() {
		for range 1000 {
			r := f.Subscribe(nil, 1)
			r.Close()
			r.Close()
		}
	})
	wg.Wait()
}

func BenchmarkPublishTo1000WaitsOnOtherTasks(b *testing.B) {
	f := New()
	for range 1000 {
		f.Subscribe(ofTask("other"), 1)
	}
	e := []task.Event{event(1, "a")}
	b.ReportAllocs()
	for b.Loop() {
		f.Publish(e)
	}
}

func TestAThousandReadersThatKeepUpTakeLittle(t *testing.T) {
	f := New()
	defer f.Close()
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	readers := make([]*Reader, 1000)
	for i := range readers {
		readers[i] = f.Subscribe(nil, 1024)
	}
	for range 100 {
		f.Publish([]task.Event{{Topic: "run"}, {Topic: "task"}})
		for _, r := range readers {
			for range 2 {
				if _, err := r.Next(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if took := heap() - before; took > 2<<20 {
		t.Errorf("1,000 readers take %d bytes, want at most 2 MiB", took)
	}
	runtime.KeepAlive(readers)
}

func TestAReaderThatTakesNothingHoldsNoMoreThanItsBuffer(t *testing.T) {
	t.Parallel()
	f := New()
	r := f.Subscribe(nil, 100)
	for i := range 1000 {
		f.Publish([]task.Event{{Seq: uint64(i + 1)}})
	}
	if n := cap(r.queue); n > 200 {
		t.Errorf("it has room for %d events", n)
	}
	for want := uint64(1); want <= 100; want++ {
		if e, err := r.Next(t.Context()); err != nil || e.Seq != want {
			t.Fatalf("event %d, %v; want %d", e.Seq, err, want)
		}
	}
	if _, err := r.Next(t.Context()); !errors.Is(err, ErrLagged) {
		t.Errorf("%v, want ErrLagged", err)
	}
	if f.Cut() != 1 || f.Readers() != 0 {
		t.Errorf("%d cut, %d readers", f.Cut(), f.Readers())
	}
}
