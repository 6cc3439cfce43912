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
	t.Run("opens nothing at describe", func(t *testing.T) {
		tasktest.NoSideEffects(t, p)
	})
	t.Run("describe", func(t *testing.T) {
		if d := p.Describe(); d.Plugin != "greeter" || d.Version != "1.2.3" || len(d.Types) == 0 {
			t.Errorf("describe: %+v", d)
		}
	})
	t.Run("validate", func(t *testing.T) {
		if err := p.Validate("greet", `name = "ann"`); err != nil {
			t.Errorf("a good config: %v", err)
		}
		for hcl, want := range map[string]string{
			`name = "nobody"`: "config.hcl:1,8-16: name: nobody cannot be greeted",
			`nmae = "ann"`:    `Unknown attribute "nmae"`,
		} {
			if err := p.Validate("greet", hcl); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("validate %s: %v, want %s", hcl, err, want)
			}
		}
	})
	t.Run("run, next run, close", func(t *testing.T) {
		r := p.Run("greet", `name = env("WHO")`, tasktest.Env("WHO", "ann"))
		if got := r.Outcome(); got != "succeeded" {
			t.Errorf("outcome %s: %s", got, r.Message())
		}
		if r.Checkpoint("last") != `"ann"` || r.State("greeted") != "1" {
			t.Errorf("checkpoint %s, state %s", r.Checkpoint("last"), r.State("greeted"))
		}
		if next := r.Next(); next.Outcome() != "succeeded" {
			t.Errorf("next: %s", next.Message())
		}
		r.Close(time.Second)
		if code := r.ExitCode(); code != 0 {
			t.Errorf("exit code %d after an orderly close", code)
		}
	})
	t.Run("a consumer that is killed before it is acknowledged", func(t *testing.T) {
		type greeting struct {
			Text string `json:"text"`
		}
		r := p.Run("shout", `name = "ann"`, tasktest.KillBeforeAck(2), tasktest.Concurrency(2))
		for _, text := range []string{"a", "b", "c"} {
			r.Send(greeting{text})
		}
		if r.Outcome() != "failed" || r.Class() != "crash" || r.ExitCode() != -1 {
			t.Errorf("outcome %s, class %s, exit code %d", r.Outcome(), r.Class(), r.ExitCode())
		}
		r = r.Next()
		r.WaitHandled()
		if len(r.Acknowledged()) != 3 || len(r.Emitted("shouts")) != 3 || len(r.DeadLetters()) != 0 {
			t.Errorf("acknowledged %v, emitted %v, dead %v", r.Acknowledged(), r.Emitted("shouts"), r.DeadLetters())
		}
		r.Close(time.Second)
	})
	t.Run("killed and tried again", func(t *testing.T) {
		r := p.Run("greet", `name = "ann"`, tasktest.KillAfterCommit(1))
		if r.Outcome() != "failed" || r.Class() != "crash" || r.ExitCode() != -1 {
			t.Errorf("outcome %s, class %s, exit code %d", r.Outcome(), r.Class(), r.ExitCode())
		}
		if r = r.Retry(); r.Outcome() != "succeeded" || r.Commits() != 2 {
			t.Errorf("retry: %s, %d commits", r.Message(), r.Commits())
		}
	})
}

func TestConfigDecodesAsAPluginDoes(t *testing.T) {
	t.Parallel()
	got, err := tasktest.Config[config](t, `name = "y"`)
	if err != nil || got.Name != "y" {
		t.Errorf("%+v %v", got, err)
	}
	if got, err = tasktest.Config[config](t, ``); err != nil || got.Name != "x" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err = tasktest.Config[config](t, `name = [1]`); err == nil || !strings.Contains(err.Error(), "config.hcl:1,") {
		t.Errorf("a wrong type: %v", err)
	}
}
