package store

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/taskhost/taskhost/host/internal/task"
)

// statuses holds the newest snapshot of every task. Readers do not wait for each other: a single
// status is one lookup, and the sorted list is made again only when something changed. Of the
// writers, one at a time is at work.
type statuses struct {
	byTask  sync.Map // task name → *newest
	changes atomic.Uint64
	list    atomic.Pointer[statusList]
}

// newest is the status of one task. It is written in its place, because that is often, and copied
// for whoever reads it.
type newest struct {
	mu     sync.Mutex
	status task.Status
}

func (n *newest) set(st *task.Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status = *st
}

func (n *newest) get() task.Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
}

type statusList struct {
	changes uint64
	items   []task.Status
}

func (s *statuses) save(st *task.Status) {
	if n, ok := s.byTask.Load(st.Task); ok {
		n.(*newest).set(st)
	} else {
		s.byTask.Store(st.Task, &newest{status: *st})
	}
	s.changes.Add(1)
}

func (s *statuses) remove(name string) {
	s.byTask.Delete(name)
	s.changes.Add(1)
}

func (s *statuses) one(name string) (task.Status, bool) {
	n, ok := s.byTask.Load(name)
	if !ok {
		return task.Status{}, false
	}
	return n.(*newest).get(), true
}

func (s *statuses) all() []task.Status {
	now := s.changes.Load() // before reading: what is read is at least as new
	if l := s.list.Load(); l != nil && l.changes == now {
		return slices.Clip(l.items)
	}
	items := []task.Status{}
	s.byTask.Range(func(_, n any) bool {
		items = append(items, n.(*newest).get())
		return true
	})
	slices.SortFunc(items, func(a, b task.Status) int { return strings.Compare(a.Task, b.Task) })
	s.list.Store(&statusList{now, items})
	return items
}
