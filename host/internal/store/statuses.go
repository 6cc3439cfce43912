package store

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/taskhost/taskhost/host/internal/task"
)

// statuses holds the newest snapshot of every task. Readers take no lock: a single
// status is one lookup, and the sorted list is made again only when something changed.
type statuses struct {
	byTask  sync.Map // task name → *task.Status
	changes atomic.Uint64
	list    atomic.Pointer[statusList]
}

type statusList struct {
	changes uint64
	items   []task.Status
}

func (s *statuses) save(st *task.Status) {
	s.byTask.Store(st.Task, st)
	s.changes.Add(1)
}

func (s *statuses) remove(name string) {
	s.byTask.Delete(name)
	s.changes.Add(1)
}

func (s *statuses) one(name string) (task.Status, bool) {
	st, ok := s.byTask.Load(name)
	if !ok {
		return task.Status{}, false
	}
	return *st.(*task.Status), true
}

func (s *statuses) all() []task.Status {
	now := s.changes.Load() // before reading: what is read is at least as new
	if l := s.list.Load(); l != nil && l.changes == now {
		return slices.Clip(l.items)
	}
	var found []*task.Status
	s.byTask.Range(func(_, st any) bool {
		found = append(found, st.(*task.Status))
		return true
	})
	slices.SortFunc(found, func(a, b *task.Status) int { return strings.Compare(a.Task, b.Task) })
	items := make([]task.Status, 0, len(found))
	for _, st := range found {
		items = append(items, *st)
	}
	s.list.Store(&statusList{now, items})
	return items
}
