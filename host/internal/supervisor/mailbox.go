package supervisor

import "sync"

// mailbox hands values to one reader. put never waits, so that two owners may write to
// each other; what bounds it is that every sender waits for an answer or reports at a
// bounded rate. The zero mailbox is not usable.
type mailbox[T any] struct {
	mu     sync.Mutex
	queue  []T
	spare  []T
	closed bool
	ready  chan struct{} // has a value while queue may hold some
}

func newMailbox[T any]() *mailbox[T] { return &mailbox[T]{ready: make(chan struct{}, 1)} }

// put reports false when nobody reads any more.
func (m *mailbox[T]) put(v T) bool {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return false
	}
	m.queue = append(m.queue, v)
	m.mu.Unlock()
	select {
	case m.ready <- struct{}{}:
	default:
	}
	return true
}

// take returns all that is there, oldest first. It is valid until the next take.
func (m *mailbox[T]) take() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.spare)
	taken := m.queue
	m.queue, m.spare = m.spare[:0], taken
	return taken
}

// close ends the mailbox and returns what nobody will read.
func (m *mailbox[T]) close() []T {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	left := m.queue
	m.queue = nil
	return left
}
