package catalog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/taskhost/taskhost/host/internal/task"
	sdk "github.com/taskhost/taskhost/sdk/task"
)

type demoConfig struct {
	URL   string `task:"url" doc:"page to fetch"`
	Count int    `task:"count,optional"`
}

func (c demoConfig) Validate() []sdk.Problem {
	if c.Count > 3 {
		return []sdk.Problem{sdk.Wrong("count", "is too many")}
	}
	return nil
}

// The test binary is also a real plugin.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "describe" || os.Args[1] == "validate") {
		sdk.Serve(sdk.Plugin{Name: "demo", Version: "1.2.3", Types: []sdk.Type{
			sdk.Periodic("check", func(context.Context, *sdk.Host, demoConfig) error { return nil }),
		}})
	}
	os.Exit(m.Run())
}

const answer = `{"plugin":"fake","version":"1","protocol":1,"types":[{"name":"t","modes":["periodic"],"config":{},"schema_hash":"h"}]}`

type shop struct {
	t   *testing.T
	dir string // of the plugins
	cfg Config
	c   *Catalog
}

func newShop(t *testing.T) *shop {
	t.Helper()
	data := t.TempDir()
	s := &shop{t: t, dir: t.TempDir(), cfg: Config{CopyDir: filepath.Join(data, "plugins"), CacheDir: filepath.Join(data, "descriptions")}}
	s.c = New(s.cfg)
	return s
}

// put writes a plugin in shell, that says in asked how often it was asked.
func (s *shop) put(name, script string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	// A rename, so that no other test's child can hold it open for writing.
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		s.t.Fatal(err)
	}
	return path
}

func (s *shop) open(name string) (*Plugin, error) {
	return s.c.Open(context.Background(), Spec{Name: name, Dir: s.dir})
}

func echo(text string) string { return "cat <<'END'\n" + text + "\nEND" }

func TestOpenDescribesARealPluginAndValidatesItsConfigs(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.c.Open(context.Background(), Spec{Name: "demo", Path: self})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := Hash(self)
	if err != nil {
		t.Fatal(err)
	}
	if p.Digest != digest || p.Origin != self || p.Path != filepath.Join(s.cfg.CopyDir, digest, "demo") {
		t.Errorf("plugin %+v", p)
	}
	if d := p.Description; d.Plugin != "demo" || d.Version != "1.2.3" || len(d.Types) != 1 || !d.Types[0].Validates {
		t.Errorf("description %+v", d)
	}
	if info, err := os.Stat(p.Path); err != nil || info.Mode().Perm() != 0o555 {
		t.Errorf("copy %v %v", info, err)
	}
	if info, err := os.Stat(s.cfg.CopyDir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory %v %v", info, err)
	}
	var configs [][]byte
	for _, count := range []int64{1, 7, 2} {
		value := cty.ObjectVal(map[string]cty.Value{"url": cty.StringVal("http://x"), "count": cty.NumberIntVal(count)})
		config, err := msgpack.Marshal(value, value.Type())
		if err != nil {
			t.Fatal(err)
		}
		configs = append(configs, config)
	}
	problems, err := s.c.Validate(context.Background(), p, "check", configs)
	if err != nil || len(problems) != 3 || len(problems[0]) != 0 || len(problems[1]) != 1 || len(problems[2]) != 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if problems, err := s.c.Validate(context.Background(), p, "check", append(configs, []byte("garbage"))); err == nil {
		t.Errorf("garbage: %v", problems)
	}
	if _, err := s.c.Validate(context.Background(), p, "checks", configs); err == nil || !strings.Contains(err.Error(), "did you mean") {
		t.Errorf("unknown type: %v", err)
	}
}

func TestABadBinaryIsNamedWithItsCause(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.put("http", echo(answer))
	if err := os.WriteFile(filepath.Join(s.dir, "plain"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(s.dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "open"), []byte("x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(s.dir, "open"), 0o777); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, script string
		kind         task.LaunchKind
		says         string
	}{
		{"htttp", "", task.LaunchMissing, `did you mean "http"?`},
		{"nothing-like-it", "", task.LaunchMissing, "there are http"},
		{"../http", "", task.LaunchMissing, "no name of a plugin"},
		{"plain", "", task.LaunchNotExec, "chmod +x"},
		{"folder", "", task.LaunchNotExec, "not a file"},
		{"open", "", task.LaunchNotExec, "can be written by everyone"},
		{"silent", "exit 0", task.LaunchNotPlugin, "no description"},
		{"exits", "echo no luck >&2; exit 3", task.LaunchNotPlugin, `exit 3; its last words: "no luck"`},
		{"talks", "echo hello", task.LaunchNotPlugin, "no description"},
		{"floods", "while :; do echo " + strings.Repeat("x", 1000) + "; done", task.LaunchNotPlugin, "more than 1MiB"},
		{"too-new", echo(strings.Replace(answer, `"protocol":1`, `"protocol":9`, 1)), task.LaunchProtocol, "speaks protocol 9, this host speaks 1"},
		{"empty", echo(`{"protocol":1}`), task.LaunchNotPlugin, "no type"},
		{"twice", echo(`{"protocol":1,"types":[{"name":"t","modes":["periodic"]},{"name":"t","modes":["periodic"]}]}`), task.LaunchNotPlugin, "twice"},
		{"odd", echo(`{"protocol":1,"types":[{"name":"../t","modes":["periodic"]}]}`), task.LaunchNotPlugin, "../t"},
		{"odd-message", echo(`{"protocol":1,"types":[{"name":"t","modes":["continuous"],"message":{"type":"array"}}]}`), task.LaunchNotPlugin, "no element type"},
	}
	for _, tt := range tests {
		if tt.script != "" {
			s.put(tt.name, tt.script)
		}
		_, err := s.open(tt.name)
		var launch *task.LaunchError
		if !errors.As(err, &launch) || launch.Kind != tt.kind || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v (%T), want %s with %q", tt.name, err, err, tt.kind, tt.says)
		}
	}
}

func TestABinaryThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.c.cfg.Timeout = 500 * time.Millisecond
	s.put("hangs", "sleep 1000")
	_, err := s.open("hangs")
	var launch *task.LaunchError
	if !errors.As(err, &launch) || launch.Kind != task.LaunchTimeout || !strings.Contains(err.Error(), "no answer within 500ms") {
		t.Errorf("%v (%T), want %s", err, err, task.LaunchTimeout)
	}
}

func TestAPinIsCompared(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	path := s.put("fake", echo(answer))
	digest, _ := Hash(path)
	spec := Spec{Name: "fake", Dir: s.dir, SHA256: strings.ToUpper(digest), Source: "config.hcl:12"}
	if _, err := s.c.Open(context.Background(), spec); err != nil {
		t.Error(err)
	}
	spec.SHA256 = strings.Repeat("a", 64)
	_, err := s.c.Open(context.Background(), spec)
	var launch *task.LaunchError
	if !errors.As(err, &launch) || launch.Kind != task.LaunchChecksum {
		t.Fatalf("error %v", err)
	}
	for _, text := range []string{digest, spec.SHA256, "config.hcl:12"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q does not say %q", err, text)
		}
	}
}

func TestAReplacedBinaryLeavesTheCopyAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.put("fake", echo(answer))
	before, err := s.open("fake")
	if err != nil {
		t.Fatal(err)
	}
	s.put("fake", echo(strings.Replace(answer, `"version":"1"`, `"version":"2"`, 1)))
	after, err := s.open("fake")
	if err != nil {
		t.Fatal(err)
	}
	if before.Digest == after.Digest || after.Description.Version != "2" || before.Description.Version != "1" {
		t.Errorf("before %+v after %+v", before, after)
	}
	// Overwritten in place, at once, with the same size.
	path := filepath.Join(s.dir, "fake")
	text, _ := os.ReadFile(path)
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), `"version":"2"`, `"version":"3"`, 1)), 0o755); err != nil {
		t.Fatal(err)
	}
	last, err := s.open("fake")
	if err != nil || last.Description.Version != "3" {
		t.Errorf("%+v %v", last, err)
	}
	for _, p := range []*Plugin{before, after, last} {
		if digest, err := Hash(p.Path); err != nil || digest != p.Digest {
			t.Errorf("copy %s has %s, %v", p.Path, digest, err)
		}
		if path, ok := s.c.Lookup("fake", p.Digest); !ok || path != p.Path {
			t.Errorf("lookup %s %v", path, ok)
		}
	}
	if err := s.c.Prune(map[string]bool{last.Digest: true}); err != nil {
		t.Error(err)
	}
	if _, ok := s.c.Lookup("fake", before.Digest); ok {
		t.Error("a pruned copy is found")
	}
	if _, ok := s.c.Lookup("fake", last.Digest); !ok {
		t.Error("a kept copy is gone")
	}
	for _, name := range []string{"..", "fake/../fake"} {
		if _, ok := s.c.Lookup(name, last.Digest); ok {
			t.Errorf("lookup of %q", name)
		}
	}
}

func TestWhatAHostLeftUnfinishedIsPruned(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	if err := os.MkdirAll(s.cfg.CopyDir, 0o700); err != nil {
		t.Fatal(err)
	}
	left, under := filepath.Join(s.cfg.CopyDir, unfinishedPrefix+"a"), filepath.Join(s.cfg.CopyDir, unfinishedPrefix+"b")
	for _, path := range []string{left, under} {
		if err := os.WriteFile(path, nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(left, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.c.Prune(nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was left is still there: %v", err)
	}
	if _, err := os.Stat(under); err != nil {
		t.Errorf("what is being written is gone: %v", err)
	}
}

func TestADamagedCopyIsReplaced(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.put("fake", echo(answer))
	p, err := s.open("fake")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(p.Path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Path, []byte("#!/bin/sh\nexit 9"), 0o555); err != nil {
		t.Fatal(err)
	}
	s.c = New(s.cfg) // the next life of the host
	if _, err := s.open("fake"); err != nil {
		t.Fatal(err)
	}
	if digest, _ := Hash(p.Path); digest != p.Digest {
		t.Error("the damaged copy is still there")
	}
}

func TestABinaryIsAskedOncePerDigest(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	asked := filepath.Join(t.TempDir(), "asked")
	s.put("fake", "echo x >> "+asked+"\n"+echo(answer))
	count := func() int {
		text, _ := os.ReadFile(asked)
		return strings.Count(string(text), "x")
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := s.open("fake"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.cfg.Offline = true
	s.c = New(s.cfg)
	if _, err := s.open("fake"); err != nil {
		t.Error(err)
	}
	if count() != 1 {
		t.Errorf("asked %d times", count())
	}
	s.put("other", echo(answer)+"\n# other")
	if _, err := s.open("other"); err == nil || !strings.Contains(err.Error(), "-offline") {
		t.Errorf("offline: %v", err)
	}
	files, _ := filepath.Glob(filepath.Join(s.cfg.CacheDir, "*.json"))
	for _, f := range files {
		if err := os.WriteFile(f, []byte(`{"protocol":`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.cfg.Offline = false
	s.c = New(s.cfg)
	if _, err := s.open("fake"); err != nil || count() != 2 {
		t.Errorf("damaged cache: asked %d times, %v", count(), err)
	}
}

func TestDescribeGetsAnEmptyEnvironmentAndDirectoryAndLeavesNothing(t *testing.T) {
	s := newShop(t)
	t.Setenv("CATALOG_TEST_SECRET", "x")
	seen := filepath.Join(t.TempDir(), "seen")
	s.put("fake", "env > "+seen+"; ls -A >> "+seen+"; sleep 1000 & echo pid=$! >> "+seen+"\n"+echo(answer))
	began := time.Now()
	if _, err := s.open("fake"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %s", took)
	}
	text, _ := os.ReadFile(seen)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "PATH", "PWD", "SHLVL", "_", "OLDPWD", "TASKHOST_PROCESS":
		case "pid":
			if state, err := exec.Command("ps", "-o", "stat=", "-p", value).Output(); err == nil && !strings.HasPrefix(string(state), "Z") {
				t.Errorf("its child %s lives: %s", value, state)
			}
		default:
			t.Errorf("it saw %q", line)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.put("b", "")
	s.put("a", "")
	s.put("Not-a-name", "")
	if err := os.WriteFile(filepath.Join(s.dir, "readme"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(s.dir, "a"), filepath.Join(s.dir, "c")); err != nil {
		t.Fatal(err)
	}
	got, err := s.c.List(s.dir)
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got, err := s.c.List(filepath.Join(s.dir, "none")); len(got) > 0 || err != nil {
		t.Error(got, err)
	}
}

func TestManyNewBinariesCanBeOpenedAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	var all sync.WaitGroup
	for i := range 30 {
		name := fmt.Sprintf("fake-%d", i)
		s.put(name, echo(answer)+"\n# "+name)
		all.Go(func() {
			if _, err := s.open(name); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.put("hangs", "sleep 1000")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := s.c.Open(ctx, Spec{Name: "hangs", Dir: s.dir})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}
