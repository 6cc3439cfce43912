package app

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/config"
)

func files(texts ...string) (all []config.File) {
	for i := 0; i < len(texts); i += 2 {
		all = append(all, config.File{Path: texts[i], Text: []byte(texts[i+1])})
	}
	return all
}

func TestTheFilesOfAGenerationAreKeptAsTheyWere(t *testing.T) {
	t.Parallel()
	g := genFiles{filepath.Join(t.TempDir(), "generations")}
	want := files("a.hcl", "one", "conf.d/b.hcl", "")
	want[1].Values = true
	for _, number := range []int{1, 2, 3} {
		if err := g.save(number, want); err != nil {
			t.Fatal(err)
		}
	}
	want[0].Text = []byte("two")
	if err := g.save(2, want); err != nil { // what is half kept is kept anew
		t.Fatal(err)
	}
	got, err := g.read(2)
	if d := cmp.Diff(want, got, cmp.Transformer("text", func(b []byte) string { return string(b) })); err != nil || d != "" {
		t.Errorf("%v %s", err, d)
	}
	for _, path := range []string{g.dir, g.of(1)} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if err := os.WriteFile(filepath.Join(g.of(3), "0"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := g.read(3); err == nil || !strings.Contains(err.Error(), "a.hcl is not as it was kept") {
		t.Errorf("a copy that lost its text: %v", err)
	}
	if err := g.retire(func(number int) bool { return number == 2 }); err != nil {
		t.Fatal(err)
	}
	if g.kept(1) || !g.kept(2) || g.kept(3) {
		t.Error("the wrong ones were removed")
	}
	if _, err := g.read(1); err == nil {
		t.Error("what was removed can be read")
	}
}

func TestAFileThatMeansAnotherPlaceNowIsNamedInFull(t *testing.T) {
	t.Parallel()
	if got := (genFile{Path: "a.hcl", Absolute: "/elsewhere/a.hcl"}).where(); got != "/elsewhere/a.hcl" {
		t.Errorf("it is read at %s", got)
	}
	here, err := filepath.Abs("a.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if got := (genFile{Path: "a.hcl", Absolute: here}).where(); got != "a.hcl" {
		t.Errorf("it is read at %s", got)
	}
}

func TestDriftNamesWhatDiffersCameOrWent(t *testing.T) {
	t.Parallel()
	was := files("same", "1", "other", "1", "gone", "1")
	if got := drifted(was, files("same", "1", "other", "2", "new", "1")); !slices.Equal(got, []string{"gone", "new", "other"}) {
		t.Errorf("got %q", got)
	}
	if got := drifted(was, was); len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestAFileThatLostItsTextIsRefusedAndAnEmptyOneIsNot(t *testing.T) {
	t.Parallel()
	was := files("a", "task", "b", "")
	if got := emptied(was, files("a", "", "b", "", "new", "")); len(got) != 1 || got[0].File != "a" || got[0].Hint == "" {
		t.Errorf("got %+v", got)
	}
	if got := emptied(was, files("a", "# nothing")); got != nil {
		t.Errorf("got %+v", got)
	}
}

func TestSecretsAreHiddenForAWhileAfterTheyWereReplaced(t *testing.T) {
	t.Parallel()
	of := func(secret string) func(string) string {
		return func(text string) string { return strings.ReplaceAll(text, secret, "***") }
	}
	var h hides
	if got := h.hide("one"); got != "one" {
		t.Errorf("nothing to hide: %q", got)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	h.add(of("one"), now)
	h.add(of("two"), now.Add(48*time.Hour)) // held for two days, replaced just now
	if got := h.hide("one two"); got != "*** ***" {
		t.Errorf("got %q", got)
	}
	h.add(of("three"), now.Add(49*time.Hour))
	if got := h.hide("one two three"); got != "*** *** ***" {
		t.Errorf("got %q", got)
	}
	h.add(of("four"), now.Add(80*time.Hour)) // two was replaced 31 hours ago
	if got := h.hide("one two three four"); got != "one two *** ***" {
		t.Errorf("got %q", got)
	}
	for range 3 * hideMost {
		h.add(of("five"), now.Add(80*time.Hour))
	}
	if n := len(*h.all.Load()); n > hideMost {
		t.Errorf("%d are kept", n)
	}
}
