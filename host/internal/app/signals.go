package app

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/taskhost/taskhost/host/internal/task"
)

// signalWatch turns signals into what a person means by them.
type signalWatch struct {
	arrived chan os.Signal
	end     chan struct{}
	done    sync.WaitGroup
}

// watchSignals begins to listen. SIGTERM and the first SIGINT stop everything gracefully; a second
// SIGINT goes on to cancel, a third to kill. More SIGTERMs change nothing: service managers send them
// freely. SIGHUP reads the configuration anew.
func (h *host) watchSignals() *signalWatch {
	w := &signalWatch{arrived: make(chan os.Signal, 8), end: make(chan struct{})}
	signal.Notify(w.arrived, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	w.done.Go(func() {
		interrupts := 0
		for {
			select {
			case <-w.end:
				return
			case s := <-w.arrived:
				interrupts = h.onSignal(s, interrupts)
			}
		}
	})
	return w
}

// onSignal acts on one signal and returns how many interrupts there have been.
func (h *host) onSignal(s os.Signal, interrupts int) int {
	switch s {
	case syscall.SIGHUP:
		h.reloads.ask()
		return interrupts
	case syscall.SIGTERM:
		h.verbs.ask(task.Graceful, "SIGTERM")
		return interrupts
	}
	mode := []task.StopMode{task.Graceful, task.Hard, task.Kill}[min(interrupts, 2)]
	h.verbs.ask(mode, "SIGINT")
	return interrupts + 1
}

func (w *signalWatch) close() {
	signal.Stop(w.arrived)
	close(w.end)
	w.done.Wait()
}
