package access

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

func open(t *testing.T, path string) *Book {
	t.Helper()
	b, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func make1(t *testing.T, b *Book, want Token) string {
	t.Helper()
	got, text, err := b.Create(want)
	if err != nil || got.ID == "" || got.Created.IsZero() || !strings.HasPrefix(text, "th_") {
		t.Fatalf("create: %+v %q %v", got, text, err)
	}
	return text
}

func TestATokenIsFoundByItsTextAloneAndAfterARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens.json")
	b := open(t, path)
	text := make1(t, b, Token{Name: "ci", Role: Operator, Scope: Scope{Tasks: []string{"site.*"}}})
	other := make1(t, b, Token{Name: "board", Role: Viewer})
	for _, book := range []*Book{b, open(t, path)} {
		if h, err := book.Find(text); err != nil || h.Name != "ci" || h.Role != Operator || !h.Scope.Task("site.a", nil) {
			t.Errorf("ci: %+v %v", h, err)
		}
		if h, err := book.Find(other); err != nil || h.Name != "board" {
			t.Errorf("board: %+v %v", h, err)
		}
		for _, wrong := range []string{"", "th_", text[:len(text)-1], text + "0", strings.ToUpper(text)} {
			if h, err := book.Find(wrong); !errors.Is(err, ErrUnknown) {
				t.Errorf("%q: %+v %v", wrong, h, err)
			}
		}
	}
	data, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(data), text[3:]) {
		t.Errorf("the file holds the token: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestARevokedTokenIsRefusedAtOnceAndForGood(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens.json")
	b := open(t, path)
	text := make1(t, b, Token{Name: "ci", Role: Viewer})
	h, err := b.Find(text)
	if err != nil || h.Ended.Err() != nil {
		t.Fatal(err)
	}
	if err := b.Revoke("ci"); err != nil {
		t.Fatal(err)
	}
	if h.Ended.Err() == nil {
		t.Error("what goes on with the token learns nothing")
	}
	for _, book := range []*Book{b, open(t, path)} {
		if _, err := book.Find(text); !errors.Is(err, ErrUnknown) {
			t.Errorf("find: %v", err)
		}
	}
	if err := b.Revoke("ci"); !errors.Is(err, ErrUnknown) {
		t.Errorf("revoke again: %v", err)
	}
	if again := make1(t, b, Token{Name: "ci", Role: Viewer}); again == text {
		t.Error("the same text again")
	}
}

func TestATokenExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, filepath.Join(t.TempDir(), "tokens.json"))
		text := make1(t, b, Token{Name: "ci", Role: Viewer, Expires: time.Now().Add(time.Hour)})
		<-time.After(time.Hour - 1)
		if _, err := b.Find(text); err != nil {
			t.Errorf("a nanosecond before: %v", err)
		}
		<-time.After(1)
		if h, err := b.Find(text); !errors.Is(err, ErrExpired) || h.Name != "ci" {
			t.Errorf("at its end: %+v %v", h, err)
		}
		<-time.After(forgotten + time.Hour)
		make1(t, b, Token{Name: "other", Role: Viewer})
		if l := b.List(); len(l) != 1 || l[0].Name != "other" {
			t.Errorf("long after: %+v", l)
		}
	})
}

func TestTheLastUseIsCoarseAndWrittenLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tokens.json")
		b := open(t, path)
		text := make1(t, b, Token{Name: "ci", Role: Viewer})
		<-time.After(90 * time.Second)
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := b.Find(text); err != nil {
				t.Fatal(err)
			}
		}
		used := b.List()[0].Used
		if !used.Equal(time.Now().Truncate(time.Minute)) {
			t.Errorf("used %v at %v", used, time.Now())
		}
		if now, err := os.ReadFile(path); err != nil || string(now) != string(before) {
			t.Errorf("the file was written by a request: %v", err)
		}
		<-time.After(usedDelay + 1)
		synctest.Wait()
		if got := open(t, path).List()[0].Used; !got.Equal(used) {
			t.Errorf("in the file: %v, want %v", got, used)
		}
		<-time.After(time.Minute)
		b.Find(text)
		used = b.List()[0].Used
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if got := open(t, path).List()[0].Used; !got.Equal(used) {
			t.Errorf("after Close: %v, want %v", got, used)
		}
	})
}

func TestARevocationThatCannotBeWrittenHoldsAndSaysSo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "tokens.json")
	b := open(t, path)
	text := make1(t, b, Token{Name: "ci", Role: Viewer})
	away := dir + ".away"
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	if err := b.Revoke("ci"); err == nil || !strings.Contains(err.Error(), "revoke it once more") {
		t.Errorf("revoke: %v", err)
	}
	if _, err := b.Find(text); !errors.Is(err, ErrUnknown) {
		t.Errorf("find: %v", err)
	}
	if _, _, err := b.Create(Token{Name: "new", Role: Viewer}); err == nil || len(b.List()) != 0 {
		t.Errorf("a token was made that is in no file: %v", err)
	}
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	if err := b.Revoke("ci"); err != nil {
		t.Errorf("once more: %v", err)
	}
	if l := open(t, path).List(); len(l) != 0 {
		t.Errorf("the file has %+v", l)
	}
}

func TestABookThatCannotBeTrustedIsNotOpened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens.json")
	make1(t, open(t, path), Token{Name: "ci", Role: Viewer})
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "no JSON": "{", "newer": `{"version":2,"tokens":[]}`, "unknown": `{"version":1,"tokens":[{"admin":true}]}`,
		"a role": strings.Replace(string(good), `"viewer"`, `"root"`, 1), "anyone": strings.Replace(string(good), `"viewer"`, `"anyone"`, 1),
		"a short digest": strings.Replace(string(good), `"sha256": "`, `"sha256": "00`, 1),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "tokens") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("open to others: %v", err)
	}
}

func TestTokensThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "tokens.json"))
	long := make([]string, maxNames+1)
	for i := range long {
		long[i] = "a"
	}
	for name, bad := range map[string]Token{
		"no name":                {Role: Viewer},
		"a path":                 {Name: "../a", Role: Viewer},
		"a reserved name":        {Name: "admin", Role: Viewer},
		"no role":                {Name: "a"},
		"in the past":            {Name: "a", Role: Viewer, Expires: time.Now().Add(-time.Second)},
		"an admin of tasks":      {Name: "a", Role: Admin, Scope: Scope{Tasks: []string{"a"}}},
		"a producer of tasks":    {Name: "a", Role: Producer, Scope: Scope{Tasks: []string{"a"}}},
		"names and labels":       {Name: "a", Role: Viewer, Scope: Scope{Tasks: []string{"a"}, Labels: map[string]string{"a": "b"}}},
		"a glob":                 {Name: "a", Role: Viewer, Scope: Scope{Tasks: []string{"a*"}}},
		"a queue that is none":   {Name: "a", Role: Viewer, Scope: Scope{Queues: []string{"a/b"}}},
		"a label without a key":  {Name: "a", Role: Viewer, Scope: Scope{Labels: map[string]string{"": "b"}}},
		"too many names":         {Name: "a", Role: Viewer, Scope: Scope{Tasks: long}},
		"a reason without bound": {Name: "a", Role: Viewer, Reason: strings.Repeat("x", maxReason+1)},
	} {
		if _, _, err := b.Create(bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	make1(t, b, Token{Name: "a", Role: Viewer})
	if _, _, err := b.Create(Token{Name: "a", Role: Viewer}); !errors.Is(err, ErrTaken) {
		t.Errorf("the name twice: %v", err)
	}
}

func TestAScopeNamesWhatIsThere(t *testing.T) {
	t.Parallel()
	shop := map[string]string{"team": "shop", "tier": "1"}
	for _, c := range []struct {
		name   string
		scope  Scope
		task   string
		labels map[string]string
		want   bool
	}{
		{"no limit", Scope{}, "a", nil, true},
		{"the name", Scope{Tasks: []string{"b", "a"}}, "a", nil, true},
		{"a longer name", Scope{Tasks: []string{"a"}}, "ab", nil, false},
		{"an instance is not its block", Scope{Tasks: []string{"a"}}, "a.b", nil, false},
		{"every instance", Scope{Tasks: []string{"a.*"}}, "a.b.c", nil, true},
		{"the block is no instance", Scope{Tasks: []string{"a.*"}}, "a", nil, false},
		{"another block", Scope{Tasks: []string{"a.*"}}, "ab.c", nil, false},
		{"the label", Scope{Labels: map[string]string{"team": "shop"}}, "a", shop, true},
		{"all labels", Scope{Labels: map[string]string{"team": "shop", "tier": "2"}}, "a", shop, false},
		{"an empty label that is not there", Scope{Labels: map[string]string{"x": ""}}, "a", shop, false},
		{"queues have no tasks", Scope{Queues: []string{"a"}}, "a", shop, false},
	} {
		if got := c.scope.Task(c.task, c.labels); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if (Scope{Tasks: []string{"a"}}).Queue("a") || !(Scope{}).Queue("a") || !(Scope{Queues: []string{"a"}}).Queue("a") {
		t.Error("queues")
	}
}

func TestRolesReachWhatTheyShould(t *testing.T) {
	t.Parallel()
	reach := map[Role][]Role{
		Anyone: {Anyone}, Producer: {Anyone, Producer}, Viewer: {Anyone, Viewer},
		Operator: {Anyone, Viewer, Producer, Operator}, Admin: {Anyone, Viewer, Producer, Operator, Admin},
	}
	for role, may := range reach {
		for need := Anyone; need <= Admin; need++ {
			want := false
			for _, m := range may {
				want = want || m == need
			}
			if role.May(need) != want {
				t.Errorf("%s may %s: %v", role, need, !want)
			}
		}
	}
	for _, name := range RoleNames {
		if role, err := ParseRole(name); err != nil || role.String() != name {
			t.Errorf("%s: %v %v", name, role, err)
		}
	}
}

func TestTokensAreMadeFoundAndRevokedAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "tokens.json")
	b := open(t, path)
	stay := make1(t, b, Token{Name: "stay", Role: Viewer})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			name := "t" + string(rune('a'+i))
			_, text, err := b.Create(Token{Name: name, Role: Viewer})
			if err != nil {
				t.Error(err)
				return
			}
			for _, have := range []string{text, stay} {
				if _, err := b.Find(have); err != nil {
					t.Error(err)
				}
			}
			b.List()
			if err := b.Revoke(name); err != nil {
				t.Error(err)
			}
			if _, err := b.Find(text); !errors.Is(err, ErrUnknown) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	if l := open(t, path).List(); len(l) != 1 || l[0].Name != "stay" || !task.ValidID(l[0].ID) {
		t.Errorf("left: %+v", l)
	}
}
