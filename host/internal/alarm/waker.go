package alarm

import (
	"sync"
	"time"
)

// runtimeWaker is a waker of the runtime, where the kernel has nothing better.
type runtimeWaker struct {
	timer *time.Timer
	once  sync.Once
	done  chan struct{}
}

func newRuntimeWaker() *runtimeWaker {
	w := &runtimeWaker{timer: time.NewTimer(time.Hour), done: make(chan struct{})}
	w.timer.Stop()
	return w
}

func (w *runtimeWaker) arm(d time.Duration) { w.timer.Reset(d) }

func (w *runtimeWaker) run(ring func()) {
	for {
		ring()
		select {
		case <-w.timer.C:
		case <-w.done:
			return
		}
	}
}

func (w *runtimeWaker) close() {
	w.once.Do(func() { close(w.done) })
	w.timer.Stop()
}
