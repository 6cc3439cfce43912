package task_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

func TestWrongReadsPaths(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "url", "tls.cert", "headers[2].name", `env["A.B"]`, `a["x]\"y"].b[0][1]`} {
		p := task.Wrong(path, "x")
		equal(t, "path", schema.FormatPath(p.Path), path)
		equal(t, "summary", p.Summary, "x")
	}
	for _, path := range []string{".", "a.", ".a", "a..b", "a[", "a[]", "a[-1]", "a[x]", `a["x"`, "a[0]b", "a.[0]"} {
		func() {
			defer func() {
				if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "task.Wrong: path") {
					t.Errorf("Wrong(%q) panics with %v", path, v)
				}
			}()
			task.Wrong(path, "x")
		}()
	}
}

func TestCrossFieldChecksHaveTheirPlaceInTheText(t *testing.T) {
	t.Parallel()
	typ := task.Periodic("greet", func(context.Context, *task.Host, greetConfig) error { return nil })
	for _, c := range []struct{ hcl, want string }{
		{"name = \"a\"\nagain = \"a\"", "config: config.hcl:2,9-12: again: must differ from name"},
		{"name = \"second\"\nlist = [\"x\", \"y\"]", "config: config.hcl:2,14-17: list[1]: is wrong"},
		{"name = \"boom\"", "the plugin's check of the config panics: panic: in the check"},
		{"nam = \"a\"", `config.hcl:1,1-4: Unknown attribute "nam"`},
	} {
		inBubble(t, c.hcl, func(t *testing.T) {
			_, err := tasktest.Open(t, typ, c.hcl)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	inBubble(t, "a warning rejects nothing and is logged", func(t *testing.T) {
		r := tasktest.Run(t, typ, `name = "old"`)
		equal(t, "outcome", r.Outcome(), "succeeded")
		equal(t, "logs", fmt.Sprint(r.Logs()), "[{warn config map[problem:old is old]}]")
	})
}
