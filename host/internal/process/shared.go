package process

import "sync"

// shared gives everybody the result of a look that began after they asked.
type shared[T any] struct {
	look func() T
	mu   sync.Mutex
	next *look[T] // will begin after now
	busy bool
}

type look[T any] struct {
	done   chan struct{}
	result T
}

func (s *shared[T]) take() T {
	s.mu.Lock()
	if s.next == nil {
		s.next = &look[T]{done: make(chan struct{})}
	}
	mine := s.next
	if !s.busy {
		s.busy = true
		go s.run()
	}
	s.mu.Unlock()
	<-mine.done
	return mine.result
}

func (s *shared[T]) run() {
	for {
		s.mu.Lock()
		current := s.next
		s.next = nil
		if current == nil {
			s.busy = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		current.result = s.look()
		close(current.done)
	}
}
