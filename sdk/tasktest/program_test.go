package tasktest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/sdk/tasktest"
)

func TestBinary(t *testing.T) {
	t.Parallel()
	p := tasktest.Binary(t, "../task/testdata/plugin")
	tasktest.NoSideEffects(t, p)
	if d := p.Describe(); d.Plugin != "greeter" || len(d.Types) != 5 {
		t.Errorf("describe: %+v", d)
	}
	err := p.Validate("greet", `name = "nobody"`)
	if err == nil || !strings.Contains(err.Error(), "config.hcl:1,8-16: name: nobody cannot be greeted") {
		t.Errorf("validate: %v", err)
	}
	t.Run("run", func(t *testing.T) {
		r := p.Run("greet", "name = \"ann\"\ntoken=\"hunter2\"")
		if got := r.Outcome(); got != "succeeded" {
			t.Errorf("%s: %s", got, r.Message())
		}
		if got := r.Checkpoint("last"); got != `"ann"` {
			t.Errorf("checkpoint %s", got)
		}
		if got := r.State("greeted"); got != `1` {
			t.Errorf("state %s", got)
		}
		r.Close(time.Second)
		for _, l := range r.Logs() {
			t.Logf("%+v", l)
		}
	})
	t.Run("prints reach the log", func(t *testing.T) {
		r := p.Run("talk", "name = \"ann\"\ntoken=\"hunter2\"")
		r.Stop(time.Minute)
		if got := r.Outcome(); got != "interrupted" {
			t.Errorf("%s: %s", got, r.Message())
		}
		r.Close(time.Second)
		for _, l := range r.Logs() {
			t.Logf("%+v", l)
		}
	})
	t.Run("host gone", func(t *testing.T) {
		p.Run("linger", "name = \"ann\"")
	})
	t.Run("host gone, wedged", func(t *testing.T) {
		p.Run("wedge", "name = \"ann\"")
	})
}
