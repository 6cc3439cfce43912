package archtest

import (
	"slices"
	"strings"
	"testing"
)

const module = "github.com/taskhost/taskhost/"

// A rule says which packages of this module a package may import, and why. A package
// that stands in no rule may import nothing of the module.
type rule struct {
	pkg string
	may []string
	why string
}

// Data flows one way: config → supervisor → process → runner → store → feed → api, ui, cli.
var rules = []rule{
	{"host/internal/task", nil, "nouns and contracts import nobody, so everybody may import them"},
	{"host/admin", nil, "the public API contract repeats its types on purpose: the host may change behind it"},
	{"host/admintest", []string{"host/admin"}, "runs a host from outside, as anybody could"},
	{"sdk/notify", nil, "spoken by commands and by the plugin that runs them"},
	{"sdk/schema", nil, "used on both sides of the wire"},
	{"sdk/wire", []string{"sdk/schema", "sdk/wire/taskv1"}, "the contract between the sides, without behaviour"},
	{"sdk/wire/taskv1", nil, "generated"},
	{"sdk/task", []string{"sdk/schema", "sdk/wire", "sdk/wire/taskv1", "sdk/internal/..."}, "authors get the SDK and never a part of the host"},
	{"sdk/tasktest", []string{"sdk/schema", "sdk/task", "sdk/wire", "sdk/wire/taskv1", "sdk/internal/..."}, "the authors' test kit runs the real SDK"},
	{"sdk/internal/...", []string{"sdk/schema", "sdk/wire", "sdk/wire/taskv1", "sdk/task", "sdk/internal/..."}, "shared by the SDK and its test kit"},

	{"host/internal/access", []string{"host/internal/task"}, "who may use the host; knows nothing of HTTP"},
	{"host/internal/account", nil, "knows the machine and nothing of tasks"},
	{"host/internal/cgroup", nil, "knows where the kernel shows groups and nothing of tasks"},
	{"host/internal/audit", nil, "writes down what it is told"},
	{"host/internal/alarm", nil, "knows the time and nothing of tasks"},
	{"host/internal/schedule", []string{"host/internal/task"}, "pure: decides over values"},
	{"host/internal/backoff", []string{"host/internal/task"}, "pure: decides over values"},
	{"host/internal/process", []string{"host/internal/task", "host/internal/account", "host/internal/cgroup", "sdk/schema", "sdk/wire", "sdk/wire/taskv1"}, "knows how a plugin lives and nothing of its task's policy"},
	{"host/internal/catalog", []string{"host/internal/task", "host/internal/process", "sdk/schema", "sdk/wire"}, "describes binaries through process"},
	{"host/internal/config", []string{"host/internal/task", "host/internal/access", "host/internal/catalog", "host/internal/schedule", "host/internal/notify", "sdk/schema", "sdk/wire"}, "turns HCL into definitions and starts nothing"},
	{"host/internal/queue", []string{"host/internal/task", "host/internal/backoff"}, "hands out from memory what the store keeps"},
	{"host/internal/notify", []string{"host/internal/task", "host/internal/feed", "host/internal/process", "sdk/schema"}, "reads the feed and the store, sends from a queue, runs commands through process; config checks templates with it"},
	{"host/internal/runner", []string{"host/internal/task", "sdk/wire"}, "drives one process through the contracts of task"},
	{"host/internal/redact", []string{"host/internal/task"}, "a launcher over a launcher: knows neither processes nor runs"},
	{"host/internal/pulse", []string{"host/internal/task"}, "a launcher over a launcher: asks processes and ends none"},
	{"host/internal/pool", []string{"host/internal/task", "sdk/wire"}, "a launcher over a launcher: knows seats in processes and nothing of runs' fates"},
	{"host/internal/supervisor", []string{"host/internal/task", "host/internal/schedule", "host/internal/backoff"}, "decides; everything it does goes through task.Engine and task.Journal"},
	{"host/internal/store", []string{"host/internal/task"}, "calls no one"},
	{"host/internal/store/storetest", []string{"host/internal/task", "host/internal/store"}, "what every store must pass"},
	{"host/internal/feed", []string{"host/internal/task"}, "fan-out of what was committed"},
	{"host/internal/usage", []string{"host/internal/task", "host/internal/cgroup"}, "reads what the kernel says of processes that others name"},
	{"host/internal/metrics", []string{"host/internal/task", "host/internal/usage"}, "counts what passes and reads what is: everything it reads is given to it"},
	{"host/internal/trace", []string{"host/internal/task"}, "stands before the contracts of task, and is in no part's way"},
	{"host/internal/logs", []string{"host/internal/task"}, "log files"},
	{"host/internal/api", []string{"host/admin", "host/internal/task", "host/internal/access", "host/internal/audit", "host/internal/feed", "host/internal/logs", "host/internal/catalog", "host/internal/schedule", "sdk/schema", "sdk/wire"}, "reads the store and the feed, commands the supervisor through interfaces of its own, never touches a process"},
	{"host/internal/ui", nil, "files, sessions and links; the API serves them and knows what a session is worth"},
	{"host/internal/ui/hostile", []string{"sdk/task"}, "a plugin like any other, with bad manners"},
	{"host/internal/support", []string{"host/admin"}, "asks as anybody could"},
	{"host/internal/cli", []string{"host/admin", "host/internal/support", "sdk/notify", "sdk/schema"}, "speaks only the API, and for a script to its plugin; what it does without a host is given to it"},
	{"host/internal/dev", nil, "builds and watches, and knows neither hosts nor tasks"},
	{"host/internal/man", []string{"host/internal/cli"}, "writes the man pages from the command line's own words"},
	{"host/internal/doctor", []string{"host/internal/account", "host/internal/cgroup"}, "looks at a machine and knows nothing of a host"},
	{"host/internal/explain", []string{"host/internal/config", "host/internal/schedule", "host/internal/task", "sdk/schema"}, "pure: values in, sentences out"},
	{"host/internal/imports", []string{"sdk/schema"}, "writes HCL of values; its formats are below it and know each other not"},
	{"host/internal/imports/...", []string{"host/internal/imports", "host/internal/schedule", "sdk/schema"}, "pure: text in, tasks and notes out; schedule parses crons"},
	{"host/internal/scaffold", nil, "templates: makes texts and knows no package by more than its name"},
	{"host/internal/app", []string{"..."}, "wiring: the one place where concrete types meet"},
	{"host/internal/hosttest", []string{"host/internal/task"}, "fakes for tests"},
	{"host/cmd/taskhost", []string{"host/admin", "host/internal/cli", "host/internal/app", "host/internal/config", "host/internal/dev", "host/internal/imports/...", "host/internal/scaffold", "sdk/wire"}, "main: gives the CLI what it does without a host"},
	{"host/internal/api/apitest", []string{"host/admin", "host/internal/api", "host/internal/access", "host/internal/audit", "host/internal/task", "host/internal/feed", "host/internal/store", "sdk/schema", "sdk/wire"}, "a live API over a fleet with behaviour, for tests"},
	{"host/internal/plan", []string{"host/admin", "host/internal/config", "host/internal/schedule", "host/internal/task", "sdk/schema"}, "pure: compares configurations, in the words in which the API shows it"},
	{"host/internal/bench", []string{"host/admin", "host/internal/app"}, "measures the host from outside; app only for its profile"},
	{"host/internal/bench/bare", []string{"sdk/wire", "sdk/wire/taskv1"}, "the floors hold nothing of the host"},
	{"host/internal/bench/probe", []string{"sdk/task"}, "a plugin like any other"},
	{"host/internal/e2e/...", []string{"sdk/task"}, "scripted plugins of the whole-program tests"},
	{"host/internal/torture/journal", nil, "read and written on both sides of a kill"},
	{"host/internal/torture/check", []string{"host/internal/torture/journal"}, "pure: judges evidence"},
	{"host/internal/torture/victim", []string{"sdk/task", "host/internal/torture/journal"}, "a plugin like any other, which writes down what it does"},
	{"plugins/...", []string{"sdk/task", "sdk/notify", "sdk/schema", "plugins/..."}, "a first-party plugin uses what every author has"},
	{"examples/...", []string{"sdk/task", "examples/..."}, "an example uses what every author has"},
}

func TestImportsFollowTheTable(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		r, ok := find(p.path)
		for _, imp := range p.imports {
			inside, isOurs := strings.CutPrefix(imp, module)
			if !isOurs || inside == p.path {
				continue
			}
			if !ok {
				t.Errorf("%s imports %s but stands in no row of the table", p.path, inside)
				continue
			}
			if !slices.ContainsFunc(r.may, func(pattern string) bool { return matches(pattern, inside) }) {
				t.Errorf("%s may not import %s: %s", p.path, inside, r.why)
			}
		}
	}
}

// One package owns each heavy dependency, so that it can be replaced in one place.
var owners = []struct {
	dependency string
	users      []string
	why        string
}{
	{"github.com/hashicorp/go-plugin", []string{"host/internal/process", "sdk/task", "sdk/internal/...", "sdk/tasktest", "host/internal/bench/bare"}, "its stock process handling has defects that must not leak"},
	{"github.com/spf13/cobra", []string{"host/internal/cli"}, "only the CLI has commands"},
	{"modernc.org/sqlite", []string{"host/internal/store"}, "whoever wants history asks the store"},
	{"go.opentelemetry.io/otel", []string{"host/internal/trace"}, "whoever wants spans stands before a contract of task"},
	{"net/http/pprof", nil, "profiling is not wired by import side effect"},
}

func TestHeavyDependenciesHaveOneOwner(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, o := range owners {
			uses := slices.ContainsFunc(p.imports, func(imp string) bool {
				return imp == o.dependency || strings.HasPrefix(imp, o.dependency+"/")
			})
			allowed := slices.ContainsFunc(o.users, func(pattern string) bool { return matches(pattern, p.path) })
			if uses && !allowed {
				t.Errorf("%s may not import %s: %s", p.path, o.dependency, o.why)
			}
		}
	}
}

func TestEveryRowOfTheTableIsUsed(t *testing.T) {
	t.Parallel()
	all := packages(t)
	for _, r := range rules {
		if !slices.ContainsFunc(all, func(p pkg) bool { return matches(r.pkg, p.path) }) {
			t.Errorf("no package matches the row %s", r.pkg)
		}
	}
}

func find(path string) (rule, bool) {
	for _, r := range rules {
		if matches(r.pkg, path) {
			return r, true
		}
	}
	return rule{}, false
}

// matches reports whether path is pattern, or lies below it when pattern ends in "/...".
func matches(pattern, path string) bool {
	if pattern == "..." {
		return true
	}
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == below || strings.HasPrefix(path, below+"/")
	}
	return path == pattern
}
