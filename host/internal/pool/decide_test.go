package pool

import (
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

func TestACrashNamesTheTaskOfTheGoroutineThatBroughtItAbout(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"nothing":            {"", ""},
		"no labels":          {"panic: x\n\ngoroutine 1 [running]:\nmain.main()", ""},
		"its own":            {"panic: x\n\ngoroutine 19 [running labels:{\"taskhost.task\": \"check.a\"}]:\n", "check.a"},
		"among others":       {"fatal error: y\n\ngoroutine 19 gp=0xc m=4 mp=0xd [running labels:{\"a\": \"b\", \"taskhost.task\": \"check.a\"}]:\n", "check.a"},
		"only a bystander's": {"panic: x\n\ngoroutine 1 [running]:\nmain.main()\n\ngoroutine 2 [select labels:{\"taskhost.task\": \"check.b\"}]:\n", ""},
	} {
		if got := crashedIn(test.text); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestBlameFallsOnWhoWasKilledForNamedOrAloneAtWork(t *testing.T) {
	t.Parallel()
	killed := task.ExitCause{ByHost: true, Signal: "killed", Code: -1}
	for name, test := range map[string]struct {
		ending ending
		want   string
	}{
		"killed for":                   {ending{exit: killed, culprit: "a", working: []string{"a", "b"}}, "a"},
		"the host's own wish":          {ending{exit: killed, working: []string{"a"}}, ""},
		"named":                        {ending{exit: crashOf("b"), working: []string{"a", "b"}, seated: []string{"a", "b"}}, "b"},
		"named, but not there":         {ending{exit: crashOf("x"), working: []string{"a", "b"}, seated: []string{"a", "b"}}, ""},
		"named, though idle":           {ending{exit: crashOf("b"), working: []string{"a"}, seated: []string{"a", "b"}}, "b"},
		"alone at work":                {ending{exit: task.ExitCause{Code: 3}, working: []string{"a"}, seated: []string{"a", "b"}}, "a"},
		"one of two":                   {ending{exit: task.ExitCause{Code: 3}, working: []string{"a", "b"}, seated: []string{"a", "b"}}, ""},
		"nobody was at work":           {ending{exit: task.ExitCause{Code: 3}, seated: []string{"a", "b"}}, ""},
		"killed by somebody and alone": {ending{exit: task.ExitCause{Signal: "killed", OOM: true}, working: []string{"a"}}, "a"},
	} {
		if got := test.ending.blame(); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestTheHostsOwnKillIsNobodysFault(t *testing.T) {
	t.Parallel()
	e := ending{exit: task.ExitCause{ByHost: true, Code: -1}, working: []string{"a", "b"}, seated: []string{"a", "b", "idle"}}
	for _, name := range e.seated {
		if got := e.exitOf(name); got.Neighbour != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	var c cells
	if c.separate(e, time.Unix(0, 0)); len(c.of) > 0 {
		t.Errorf("set apart: %v", c.of)
	}
}

func TestWhoeverWasSuspectedWithTheGuiltyOneIsCleared(t *testing.T) {
	t.Parallel()
	var c cells
	now := time.Unix(0, 0)
	c.separate(ending{exit: task.ExitCause{Code: 3}, working: []string{"a", "b", "c"}}, now)
	if in := c.find("a", now); in.max != 2 || in.id == 0 || c.find("c", now) != in {
		t.Errorf("three suspects: %+v", c.of)
	}
	c.separate(ending{exit: crashOf("b"), seated: []string{"a", "b"}, working: []string{"a", "b"}}, now)
	if in := c.find("b", now); in.max != 1 {
		t.Errorf("the guilty one: %+v", in)
	}
	for _, name := range []string{"a", "c"} {
		if in := c.find(name, now); in.id != 0 {
			t.Errorf("%s is still suspected: %+v", name, in)
		}
	}
	if c.find("b", now.Add(apartTime+1)); len(c.of) > 0 {
		t.Errorf("remembered for ever: %v", c.of)
	}
}
