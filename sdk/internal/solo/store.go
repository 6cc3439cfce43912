package solo

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// Message is one emitted message.
type Message struct {
	Output, ID, Key string
	Value           json.RawMessage
}

// Store is what outlives a process: the checkpoint, run-scoped values and emitted
// messages, whose ids it remembers. It is safe for concurrent use; its zero value is empty and accepts no emits.
type Store struct {
	mu         sync.Mutex
	checkpoint map[string]json.RawMessage
	runs       map[string]map[string]json.RawMessage
	messages   []Message
	ids        map[[2]string]string // value by output and id
	commits    int
	wired      bool
	emitted    func(Message)
}

// OnEmit has each called with every message that is committed. It must not use the store.
func (s *Store) OnEmit(each func(Message)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emitted = each
}

// Wire makes every output accept messages.
func (s *Store) Wire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wired = true
}

// Set puts a value into the checkpoint.
func (s *Store) Set(key string, value json.RawMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.checkpoint == nil {
		s.checkpoint = make(map[string]json.RawMessage)
	}
	s.checkpoint[key] = value
}

// Commit applies all ops or none and returns the number of commits so far.
func (s *Store) Commit(run string, ops []*taskv1.Op) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range ops {
		if err := s.checkEmit(op.GetEmit()); err != nil {
			return s.commits, err
		}
	}
	if s.checkpoint == nil {
		s.checkpoint = make(map[string]json.RawMessage)
	}
	if s.runs == nil {
		s.runs = make(map[string]map[string]json.RawMessage)
	}
	for _, op := range ops {
		switch op := op.GetOp().(type) {
		case *taskv1.Op_Save:
			s.checkpoint[op.Save.GetKey()] = op.Save.GetValue()
		case *taskv1.Op_SaveRun:
			if s.runs[run] == nil {
				s.runs[run] = make(map[string]json.RawMessage)
			}
			s.runs[run][op.SaveRun.GetKey()] = op.SaveRun.GetValue()
		case *taskv1.Op_Delete:
			delete(s.checkpoint, op.Delete)
		case *taskv1.Op_Emit:
			s.emit(op.Emit)
		}
	}
	s.commits++
	return s.commits, nil
}

// checkEmit and emit are called with mu held. An id that was there is a duplicate, with another value a mistake.
func (s *Store) checkEmit(e *taskv1.Emit) error {
	if e == nil {
		return nil
	}
	if !s.wired {
		return fmt.Errorf("output %q is not wired to a queue", e.GetOutput())
	}
	if value, there := s.ids[[2]string{e.GetOutput(), e.GetId()}]; there && value != string(e.GetValue()) {
		return fmt.Errorf("the id %q was used for another message to output %q", e.GetId(), e.GetOutput())
	}
	return nil
}

func (s *Store) emit(e *taskv1.Emit) {
	if e.GetId() != "" {
		key := [2]string{e.GetOutput(), e.GetId()}
		if _, there := s.ids[key]; there {
			return
		}
		if s.ids == nil {
			s.ids = make(map[[2]string]string)
		}
		s.ids[key] = string(e.GetValue())
	}
	m := Message{Output: e.GetOutput(), ID: e.GetId(), Key: e.GetKey(), Value: e.GetValue()}
	s.messages = append(s.messages, m)
	if s.emitted != nil {
		s.emitted(m)
	}
}

// Load reads one value of the checkpoint.
func (s *Store) Load(key string) (json.RawMessage, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.checkpoint[key]
	return v, ok
}

// Checkpoint is a copy of the checkpoint.
func (s *Store) Checkpoint() map[string]json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.checkpoint)
}

// RunValues is a copy of what a run has saved for itself.
func (s *Store) RunValues(run string) map[string]json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.runs[run])
}

// Messages is what was emitted, in order.
func (s *Store) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Commits is the number of commits so far.
func (s *Store) Commits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commits
}
