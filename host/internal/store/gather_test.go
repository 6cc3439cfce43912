package store

import "testing"

func TestTheWriterIsWokenByTheLastOfThoseThatItWaitsFor(t *testing.T) {
	t.Parallel()
	s := &SQLite{pending: newBatch(0), wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1)}
	submit := func(waits bool) bool {
		if err := s.submit(&op{waits: waits}, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.hurry:
			return true
		default:
			return false
		}
	}
	if !submit(true) {
		t.Error("who comes alone wakes nobody")
	}
	if !s.expect(3) {
		t.Error("one of three is taken for enough")
	}
	if submit(true) || submit(false) {
		t.Error("the writer is woken before the third waits")
	}
	if !submit(true) || s.expect(3) {
		t.Error("the third does not wake the writer, or is not enough")
	}
}
