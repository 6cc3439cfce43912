package store

import "sync"

// answers calls back in the order in which it is told to, from one goroutine at a time. There is none while nothing
// is to be said.
type answers struct {
	mu   sync.Mutex
	todo []answer
	busy chan struct{} // closed when nothing is left to be said; nil while nobody speaks
}

type answer struct {
	done func(error)
	err  error
}

// add does not wait and calls nobody: whoever adds may hold any lock.
func (a *answers) add(some ...answer) {
	if len(some) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.todo = append(a.todo, some...)
	if a.busy == nil {
		a.busy = make(chan struct{})
		go a.run(a.busy)
	}
}

func (a *answers) run(end chan struct{}) {
	defer close(end)
	for {
		a.mu.Lock()
		some := a.todo
		a.todo = nil
		if len(some) == 0 {
			a.busy = nil
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		for _, s := range some {
			s.done(s.err)
		}
	}
}

// wait returns when everything that was added before has been said.
func (a *answers) wait() {
	a.mu.Lock()
	busy := a.busy
	a.mu.Unlock()
	if busy != nil {
		<-busy
	}
}
