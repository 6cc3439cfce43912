package task

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/taskhost/taskhost/sdk/schema"
)

// Problem is one thing that is wrong with a config, and where. A config struct
// with a method `Validate() []Problem` checks what no single attribute can say;
// the host shows each problem at the line of HCL that it is about. Validate runs
// without the task being started, so it must open nothing and change nothing.
type Problem = schema.Problem

// validator is a config with cross-field checks.
type validator interface{ Validate() []Problem }

// Wrong makes a problem at a path such as `tls.cert`, `headers[2].name` or
// `env["A.B"]`; the empty path is the config as a whole. It panics on a path that
// it cannot read.
func Wrong(path, summary string) Problem {
	steps, err := parsePath(path)
	if err != nil {
		panic("task.Wrong: " + err.Error())
	}
	return Problem{Path: steps, Summary: summary}
}

// parsePath reads what schema.FormatPath writes.
func parsePath(path string) ([]schema.PathStep, error) {
	var steps []schema.PathStep
	rest := path
	for rest != "" {
		if rest[0] != '[' {
			name := rest
			if i := strings.IndexAny(rest, ".["); i >= 0 {
				name = rest[:i]
			}
			if name == "" {
				return nil, fmt.Errorf("path %q has an empty name", path)
			}
			steps, rest = append(steps, schema.Attr(name)), rest[len(name):]
		} else {
			step, n, err := parseIndex(rest)
			if err != nil {
				return nil, fmt.Errorf("path %q: %w", path, err)
			}
			steps, rest = append(steps, step), rest[n:]
		}
		if strings.HasPrefix(rest, ".") {
			if rest = rest[1:]; rest == "" || rest[0] == '[' {
				return nil, fmt.Errorf("path %q has an empty name", path)
			}
		} else if rest != "" && rest[0] != '[' {
			return nil, fmt.Errorf("path %q: a dot is missing before %q", path, rest)
		}
	}
	return steps, nil
}

// parseIndex reads `[2]` or `["key"]` at the beginning of s, n bytes of it.
func parseIndex(s string) (step schema.PathStep, n int, err error) {
	if quoted, err := strconv.QuotedPrefix(s[1:]); err == nil {
		key, err := strconv.Unquote(quoted)
		n = 1 + len(quoted)
		if err != nil || !strings.HasPrefix(s[n:], "]") {
			return step, 0, fmt.Errorf("%q is not closed", s)
		}
		return schema.Key(key), n + 1, nil
	}
	inner, _, ok := strings.Cut(s[1:], "]")
	i, err := strconv.Atoi(inner)
	if !ok || err != nil || i < 0 {
		return step, 0, fmt.Errorf("%q is neither an index nor a quoted key", s)
	}
	return schema.Index(i), len(inner) + 2, nil
}
