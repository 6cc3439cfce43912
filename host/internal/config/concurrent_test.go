package config

import (
	"context"
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
  type   = "fetch"
  continuous {}
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
// have begun, and no call of Validate before all four have.
type meeting struct {
	fakePlugins
	opened, asked *sync.WaitGroup
}

func (m meeting) Open(ctx context.Context, spec catalog.Spec) (*catalog.Plugin, error) {
	m.opened.Done()
	m.opened.Wait()
	return m.fakePlugins.Open(ctx, spec)
}

func (m meeting) Validate(ctx context.Context, p *catalog.Plugin, typ string, msgpack []byte) ([]schema.Problem, error) {
	m.asked.Done()
	m.asked.Wait()
	return m.fakePlugins.Validate(ctx, p, typ, msgpack)
}

func TestPluginsAreAskedSideBySide(t *testing.T) {
	t.Parallel()
	s := newScene(t, &txtar.Archive{Files: []txtar.File{{Name: "a.hcl", Data: []byte(manyPlugins)}}})
	m := meeting{newFakePlugins(), new(sync.WaitGroup), new(sync.WaitGroup)}
	m.opened.Add(atOnce)
	m.asked.Add(4)
	s.options.Plugins = func(Host) Plugins { return m }
	_, diags, _ := Load(t.Context(), s.options)
	if len(diags) != 1 {
		t.Errorf("got %v", diags)
	}
}
