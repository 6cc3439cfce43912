package logs

import (
	"testing"

	"github.com/taskhost/taskhost/host/internal/task"
)

func messages(t *testing.T, l *Logs, name string) (all []string) {
	t.Helper()
	p, err := l.Page(t.Context(), Query{Task: name})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Items {
		all = append(all, r.Message)
	}
	return all
}

func TestALogGoesOnUnderAnotherName(t *testing.T) {
	t.Parallel()
	l, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.SetQuota("b", 1<<20)
	l.Sink("a").Line(task.LogLine{Message: "before"})
	if err := l.Rename("a", "b"); err != nil {
		t.Fatal(err)
	}
	l.Sink("b").Line(task.LogLine{Message: "after"})
	if got := messages(t, l, "b"); len(got) != 2 || got[0] != "before" || got[1] != "after" {
		t.Errorf("the log is %q", got)
	}
	if got := messages(t, l, "a"); len(got) != 0 {
		t.Errorf("the old one is %q", got)
	}
	if err := l.Rename("a", "b"); err != nil {
		t.Errorf("once more: %v", err)
	}
	l.Sink("a").Line(task.LogLine{Message: "of another task"})
	if err := l.Rename("a", "b"); err == nil {
		t.Error("a log took the place of another")
	}
	if got := messages(t, l, "a"); len(got) != 1 {
		t.Errorf("the log that stays: %q", got)
	}
	if l.Rename("../x", "b") == nil || l.Rename("a", "..") == nil {
		t.Error("a name became a path")
	}
}
