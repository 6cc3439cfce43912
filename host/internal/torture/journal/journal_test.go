package journal

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAJournalIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := Create(dir, "relay.1")
	if err != nil {
		t.Fatal(err)
	}
	want := Entry{Kind: Handle, Attempt: 2, Queue: "in", Message: "m", Names: []string{"n"}, Altered: true}
	if err := w.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	all, err := Read(dir)
	if err != nil || len(all) != 1 || all[0].Task != "relay.1" || all[0].PID != os.Getpid() {
		t.Fatalf("read %+v, %v", all, err)
	}
	var kinds []Kind
	last := int64(0)
	for _, e := range all[0].Entries {
		if e.At <= last {
			t.Errorf("an entry at %d follows one at %d", e.At, last)
		}
		last = e.At
		if e.Kind != Alive {
			kinds = append(kinds, e.Kind)
		}
		if e.Kind == Handle && (e.Message != want.Message || e.Attempt != 2 || !e.Altered || !slices.Equal(e.Names, want.Names)) {
			t.Errorf("read %+v, want %+v", e, want)
		}
	}
	if !slices.Equal(kinds, []Kind{Open, Handle, Close}) {
		t.Errorf("the entries are %q", kinds)
	}
}

func TestOnlyTheLastLineOfAJournalMayBeTorn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		"":                         -1, // nobody knows whose it is
		`{"task":"a"`:              -1,
		"{\"task\":\"a\"}\n":       0,
		"{\"task\":\"a\"}\n{\"ki":  0,
		"{\"task\":\"a\"}\n{}\n{}": 1,
	} {
		p, ok, err := parse([]byte(text))
		if err != nil || ok != (want >= 0) || ok && len(p.Entries) != want {
			t.Errorf("%q: %d entries, %v, %v; want %d", text, len(p.Entries), ok, err, want)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.journal"), []byte("{\"task\":\"a\"}\n{\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil {
		t.Error("a line in the middle was torn, and nobody says so")
	}
}
