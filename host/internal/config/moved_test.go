package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/task"
)

const movedBase = `
task "a" {
  plugin = "exec"
  on_demand {}
}
task "b" {
  plugin   = "exec"
  for_each = { x = 1, y = 2 }
  on_demand {}
}
moved {
  from = "z"
  to   = "a"
}
`

func TestMovesNameEveryInstance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, more string
		want       []task.Move
	}{
		{"a task", "", []task.Move{{From: "z", To: "a"}}},
		{"a block", "moved {\n from = \"old\"\n to = \"b\"\n}", []task.Move{{From: "z", To: "a"}, {From: "old.x", To: "b.x"}, {From: "old.y", To: "b.y"}}},
		{"a key", "moved {\n from = \"b.w\"\n to = \"b.x\"\n}", []task.Move{{From: "z", To: "a"}, {From: "b.w", To: "b.x"}}},
		{"a task that became an instance", "moved {\n from = \"single\"\n to = \"b.y\"\n}", []task.Move{{From: "z", To: "a"}, {From: "single", To: "b.y"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := load(t, movedBase+test.more, "", nil)
			if d := cmp.Diff(test.want, c.Moves); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestEveryAttributeSaysWhenAChangeTakesEffect(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for _, d := range Reference() {
		if d.Block {
			continue
		}
		if d.Change == "" {
			t.Errorf("%s: it is not said when a change takes effect; add a row in task/class.go", d.Path)
		}
		seen[d.Change]++
	}
	if seen["live"] < 20 || seen["restart"] < 5 || seen["new start of the host"] < 5 {
		t.Errorf("the words are %v", seen)
	}
}

func TestFilesThatWereReadBeforeAreReadAsTheyWere(t *testing.T) {
	t.Parallel()
	c := load(t, digestBase, "one-secret", nil)
	var files []File
	again := load(t, "task \"other\" {\n plugin = \"exec\"\n on_demand {}\n}\n", "one-secret", func(o *Options) {
		o.Files = []File{{Path: o.Paths[0], Text: []byte(digestBase)}}
		files = o.Files
	})
	if len(files) != 1 || len(again.Tasks) != 1 || again.Tasks[0].Name != "a" || string(again.Tasks[0].Config.Redacted) != string(c.Tasks[0].Config.Redacted) {
		t.Errorf("tasks: %+v", again.Tasks)
	}
}
