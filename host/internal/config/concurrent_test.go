package config

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/taskhost/taskhost/host/internal/catalog"
	"github.com/taskhost/taskhost/sdk/schema"
)

const manyPlugins = `
task "a" {
  plugin = "http"
  type   = "check"
  on_demand {}
  config {
    url = "x"
  }
}
task "b" {
  plugin = "exec"
  on_demand {}
}
task "c" {
  plugin = "looper"
  continuous {}
}
task "d" {
  for_each = toset(["1", "2", "3", "4"])
  plugin   = "limits"
  on_demand {}
  config {
    least = each.key
    most  = 3
  }
}
`

func TestLoadsSideBySideGiveTheSame(t *testing.T) {
	t.Parallel()
	s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: []byte(manyPlugins)}}})
	results := make([]string, 8)
	var all sync.WaitGroup
	for i := range results {
		all.Go(func() {
			_, diags, _ := Load(t.Context(), s.options)
			results[i] = fmt.Sprint(diags)
		})
	}
	all.Wait()
	for _, r := range results {
		if r != results[0] || !strings.Contains(r, "4 is above most") {
			t.Fatalf("got %q and %q", r, results[0])
		}
	}
}

// meeting lets no call of Open return before as many as may be at work side by side
// have begun.
type meeting struct {
	fakePlugins
	opened *sync.WaitGroup
}

func (m meeting) Open(ctx context.Context, spec catalog.Spec) (*catalog.Plugin, error) {
	m.opened.Done()
	m.opened.Wait()
	return m.fakePlugins.Open(ctx, spec)
}

func TestPluginsAreOpenedSideBySide(t *testing.T) {
	t.Parallel()
	s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: []byte(manyPlugins)}}})
	m := meeting{newFakePlugins(), new(sync.WaitGroup)}
	m.opened.Add(atOnce)
	s.options.Plugins = func(Host) Plugins { return m }
	_, diags, _ := Load(t.Context(), s.options)
	if len(diags) != 1 {
		t.Errorf("got %v", diags)
	}
}

// frail fails for every batch that holds a config which it cannot check, and counts the batches.
type frail struct {
	fakePlugins
	mu    *sync.Mutex
	sizes map[int]int
}

func (f frail) Validate(ctx context.Context, p *catalog.Plugin, typ string, configs [][]byte) ([][]schema.Problem, error) {
	f.mu.Lock()
	f.sizes[len(configs)]++
	f.mu.Unlock()
	for _, c := range configs {
		var limits limitsConfig
		if err := schema.Unmarshal(p.Description.Types[0].Config, c, &limits); err != nil {
			return nil, err
		}
		if limits.Least == 66 {
			return nil, errors.New("the plugin crashed")
		}
	}
	return f.fakePlugins.Validate(ctx, p, typ, configs)
}

func TestConfigsAreCheckedManyAtATime(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		most int
		want string
	}{{1000, ""}, {99, "100 is above most"}} {
		s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: fmt.Appendf(nil, `
task "d" {
  for_each = toset([for i in concat(range(100), range(100, 200)) : tostring(i + 1000)])
  plugin   = "limits"
  on_demand {}
  config {
    least = each.key - 1000 < 101 ? each.key - 1000 : 0
    most  = each.key - 1000 < 101 ? %d : each.key
  }
}`, test.most)}}})
		f := frail{newFakePlugins(), new(sync.Mutex), map[int]int{}}
		s.options.Plugins = func(Host) Plugins { return f }
		_, diags, _ := Load(t.Context(), s.options)
		alone := f.sizes[1]
		delete(f.sizes, 1)
		text := ""
		for _, d := range diags {
			text += d.Summary + "\n"
		}
		if !strings.Contains(text, "the plugin crashed") || !strings.Contains(text, test.want) || len(diags) != 1+min(1, len(test.want)) {
			t.Errorf("most %d: %v", test.most, diags)
		}
		if f.sizes[64] != 3 || f.sizes[8] != 1 || alone != 64 {
			t.Errorf("most %d: batches %v, and %d alone", test.most, f.sizes, alone)
		}
	}
}
