package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/plugins/internal/readme"
	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

// tree makes files, each as old as its name says: "12h", "b/3h.log", of 10 bytes.
func tree(t testing.TB, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("0123456789"), 0o644); err != nil {
			t.Fatal(err)
		}
		var hours int
		if _, err := fmt.Sscanf(filepath.Base(name), "%dh", &hours); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-time.Duration(hours)*time.Hour - time.Minute)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// left are the files and folders below dir, in order.
func left(t testing.TB, dir string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(name string, _ os.DirEntry, err error) error {
		if name != dir {
			found = append(found, strings.TrimPrefix(name, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func run1(t *testing.T, hcl string) (*tasktest.Task, Result) {
	t.Helper()
	r := tasktest.Run(t, task.Job("prune", prune), hcl)
	var result Result
	if text := r.Result(); text != "" {
		if err := json.Unmarshal([]byte(text), &result); err != nil {
			t.Fatal(err)
		}
	}
	return r, result
}

func TestPathsThatReachTooFarAreRefused(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"":                "empty",
		" ":               "empty",
		"/":               "not for pruning",
		"//":              "not for pruning",
		"/*":              "not for pruning",
		"/./":             "not for pruning",
		"/etc":            "not for pruning",
		"/etc/":           "not for pruning",
		"/usr//lib/*.so":  "not for pruning",
		"/home/*":         "not for pruning",
		"/proc/1/fd":      "no real files",
		"/var/tmp/../../": "..",
		"../x":            "..",
		"a/..":            "..",
		"*":               "folder of the config",
		".":               "folder of the config",
		"./*.log":         "folder of the config",
		"~/old":           "~",
		"/var/log/**/*":   "recursive",
		"/var/log/[":      "broken",
		"/var/log/a\x00b": "NUL",
	} {
		if _, err := parsePattern(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want an error with %q", path, err, want)
		}
	}
	for path, want := range map[string]pattern{
		"/var/log/app":       {"/var/log/app", []string{"*"}, true},
		"/var/log/app/*.gz":  {"/var/log/app", []string{"*.gz"}, false},
		"/srv/*/tmp/x?":      {"/srv", nil, false},
		"data/scratch/*.tmp": {"data/scratch", []string{"*.tmp"}, false},
		"./data/a b/":        {"data/a b", []string{"*"}, true},
		"/tmp/*/old-[0-9]*":  {"/tmp", []string{"*", "old-[0-9]*"}, false},
	} {
		got, err := parsePattern(path)
		if want.below == nil {
			if err == nil {
				t.Errorf("%q is allowed", path)
			}
		} else if err != nil || got.base != want.base || !slices.Equal(got.below, want.below) || got.plain != want.plain {
			t.Errorf("%q = %+v, %v; want %+v", path, got, err, want)
		}
	}
}

func TestConfigsThatDeleteEverythingAreRefused(t *testing.T) {
	t.Parallel()
	const paths = "paths = [\"/tmp/x\"]\n"
	for hcl, want := range map[string]string{
		``:                           "paths",
		`paths = []`:                 "paths",
		`paths = ["/"]`:              "not for pruning",
		paths:                        "every file",
		paths + `empty_dirs = true`:  "recursive",
		paths + `older_than = "-1h"`: "older_than",
		paths + `max_total = "-1"`:   "max_total",
		paths + `keep_newest = -1`:   "keep_newest",
		paths + `older = "1h"`:       "older_than",
	} {
		if _, err := tasktest.Config[Config](t, hcl); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want a problem with %q", hcl, err, want)
		}
	}
	if c, err := tasktest.Config[Config](t, paths+`max_total = "0"`); err != nil || c.MaxTotal == nil || *c.MaxTotal != 0 {
		t.Errorf("max_total = 0: %+v, %v", c, err)
	}
}

func TestPruneDeletesWhatTheBoundsSay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, hcl string
		want      []string
	}{
		{"age", `older_than = "5h"`, []string{"1h.log", "2h.gz", "4h.log", "sub", "sub/3h.log", "sub/9h.log"}},
		{"age, deep", "older_than = \"5h\"\nrecursive = true", []string{"1h.log", "2h.gz", "4h.log", "sub", "sub/3h.log"}},
		{"number", `keep_newest = 2`, []string{"1h.log", "2h.gz", "sub", "sub/3h.log", "sub/9h.log"}},
		{"number, deep", "keep_newest = 3\nrecursive = true", []string{"1h.log", "2h.gz", "sub", "sub/3h.log"}},
		{"size", `max_total = "25"`, []string{"1h.log", "2h.gz", "sub", "sub/3h.log", "sub/9h.log"}},
		{"size nought", `max_total = "0"`, []string{"sub", "sub/3h.log", "sub/9h.log"}},
		{"age but a few stay", "older_than = \"1s\"\nkeep_newest = 1", []string{"1h.log", "sub", "sub/3h.log", "sub/9h.log"}},
		{"size but a few stay", "max_total = \"5\"\nkeep_newest = 2", []string{"1h.log", "2h.gz", "sub", "sub/3h.log", "sub/9h.log"}},
		{"dry", "max_total = \"0\"\ndry_run = true\nrecursive = true\nempty_dirs = true", []string{"1h.log", "2h.gz", "4h.log", "8h.log", "sub", "sub/3h.log", "sub/9h.log"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			tree(t, dir, "1h.log", "2h.gz", "4h.log", "8h.log", "sub/3h.log", "sub/9h.log")
			before := len(left(t, dir))
			r, got := run1(t, fmt.Sprintf("paths = [%q]\n%s", dir, c.hcl))
			if r.Outcome() != "succeeded" {
				t.Fatalf("%s: %s", r.Outcome(), r.Message())
			}
			rest := left(t, dir)
			if diff := cmp.Diff(c.want, rest); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if gone := before - len(rest); !got.DryRun && (got.Files != gone || got.Bytes != int64(10*gone)) || got.DryRun && got.Files != 6 {
				t.Errorf("result %+v; %d are gone", got, gone)
			}
			if r.State("files") != fmt.Sprint(got.Files) || r.State("kept_bytes") != fmt.Sprint(got.KeptBytes) {
				t.Errorf("published files %s, kept_bytes %s", r.State("files"), r.State("kept_bytes"))
			}
		})
	}
}

func TestPatternsSelectFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree(t, dir, "a/1h.log", "a/1h.txt", "b/1h.log", "b/deep/1h.log", "1h.log", "c/[x]/1h.log")
	_, got := run1(t, fmt.Sprintf("paths = [\"%[1]s/?/*.log\", \"%[1]s/a/1h.log\", \"%[1]s/gone\", \"%[1]s/c/[[]x]/*\"]\nmax_total = \"0\"", dir))
	want := []string{"1h.log", "a", "a/1h.txt", "b", "b/deep", "b/deep/1h.log", "c", "c/[x]"}
	if diff := cmp.Diff(want, left(t, dir)); diff != "" || got.Files != 3 {
		t.Errorf("%+v (-want +got):\n%s", got, diff)
	}
}

func TestAPatternBelowAFileSelectsNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree(t, dir, "1h.db")
	r, got := run1(t, fmt.Sprintf("paths = [\"%[1]s/1h.db/*.tmp\", \"%[1]s/1h.db/*\"]\nmax_total = \"0\"\nrecursive = true", dir))
	if r.Outcome() != "succeeded" || got.Files != 0 || len(left(t, dir)) != 1 {
		t.Errorf("%s %s: %+v, left %v", r.Outcome(), r.Message(), got, left(t, dir))
	}
}

func TestLinksAreNeitherFollowedNorDeleted(t *testing.T) {
	t.Parallel()
	dir, outside := t.TempDir(), t.TempDir()
	tree(t, outside, "9h.log")
	tree(t, dir, "in/9h.log")
	for name, to := range map[string]string{"in/file": outside + "/9h.log", "in/folder": outside, "up": "..", "entry": "in", "named": outside + "/9h.log"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r, got := run1(t, fmt.Sprintf("paths = [\"%[1]s/entry\", \"%[1]s/named\", \"%[1]s/*/*\", \"%[1]s/*/*/*\"]\nmax_total = \"0\"\nrecursive = true\nempty_dirs = true", dir))
	if r.Outcome() != "succeeded" || got.Files != 1 {
		t.Errorf("%s %s: %+v", r.Outcome(), r.Message(), got)
	}
	if diff := cmp.Diff([]string{"entry", "in", "in/file", "in/folder", "named", "up"}, left(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if rest := left(t, outside); len(rest) != 1 {
		t.Errorf("outside are left %v", rest)
	}
}

func TestALinkToAGuardedFolderIsRefused(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	r, _ := run1(t, fmt.Sprintf("paths = [%q]\nmax_total = \"0\"\ndry_run = true", link))
	if r.Class() != "permanent" || !strings.Contains(r.Message(), "/etc") {
		t.Errorf("%s %s: %s", r.Outcome(), r.Class(), r.Message())
	}
}

func TestAFileThatChangedMeanwhileStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree(t, dir, "1h.written", "2h.replaced", "3h.gone", "4h.same")
	zero := int64(0)
	s, err := find(t.Context(), Config{Paths: []string{dir}, MaxTotal: &zero}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for name, change := range map[string]func(string) error{
		"1h.written": func(n string) error { return os.Chtimes(n, time.Now(), time.Now()) },
		"2h.replaced": func(n string) error {
			at := time.Now()
			if info, err := os.Stat(n); err == nil {
				at = info.ModTime()
			}
			other := filepath.Join(dir, "other")
			if err := os.WriteFile(other, nil, 0o600); err != nil {
				return err
			}
			return errors.Join(os.Chtimes(other, at, at), os.Rename(other, n))
		},
		"3h.gone": os.Remove,
		"4h.same": func(string) error { return nil },
	} {
		if err := change(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range s.files {
		gone, err := f.delete()
		if err != nil || gone != (f.name == "4h.same") {
			t.Errorf("%s: deleted %v, %v", f.name, gone, err)
		}
	}
}

func TestEmptyFoldersGoWhenTheyAreOld(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree(t, dir, "old/deep/9h.log", "new/9h.log", "used/9h.log", "used/1h.log")
	at := time.Now().Add(-24 * time.Hour)
	for _, name := range []string{"old/deep", "old", "used"} {
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	_, got := run1(t, fmt.Sprintf("paths = [%q]\nolder_than = \"5h\"\nrecursive = true\nempty_dirs = true", dir))
	if diff := cmp.Diff([]string{"new", "used", "used/1h.log"}, left(t, dir)); diff != "" || got.Dirs != 2 || got.Files != 3 {
		t.Errorf("%+v (-want +got):\n%s", got, diff)
	}
}

func TestWhatCannotBeDeletedFailsAfterTheRest(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("nothing is forbidden to root")
	}
	dir := t.TempDir()
	tree(t, dir, "a/9h.log", "b/9h.log")
	if err := os.Chmod(filepath.Join(dir, "a"), 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "a"), 0o755) })
	r, got := run1(t, fmt.Sprintf("paths = [%q]\nmax_total = \"0\"\nrecursive = true", dir))
	if r.Outcome() != "failed" || got.Failed != 1 || got.Files != 1 {
		t.Errorf("%s %s: %+v", r.Outcome(), r.Message(), got)
	}
}

func TestADrainedRunIsInterruptedBetweenTwoFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var names []string
	for i := range 3000 {
		names = append(names, fmt.Sprintf("9h.%d", i))
	}
	tree(t, dir, names...)
	began := make(chan struct{})
	release := make(chan struct{})
	r := tasktest.Run(t, task.Job("prune", func(ctx context.Context, h *task.Host, c Config, in struct{}) (Result, error) {
		close(began)
		<-release
		return prune(ctx, h, c, in)
	}), fmt.Sprintf("paths = [%q]\nmax_total = \"0\"", dir))
	<-began
	r.Stop(time.Minute)
	close(release)
	if r.Outcome() != "interrupted" || !strings.Contains(r.Message(), "of 3000 files") {
		t.Errorf("%s: %s", r.Outcome(), r.Message())
	}
	if rest := left(t, dir); len(rest) != 3000 {
		t.Errorf("%d are left", len(rest))
	}
}

func TestPlanKeepsItsPromises(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	in := &folder{base: "/x"}
	rapid.Check(t, func(r *rapid.T) {
		c := Config{KeepNewest: rapid.IntRange(0, 5).Draw(r, "keep"), OlderThan: time.Duration(rapid.IntRange(0, 5).Draw(r, "older")) * time.Hour}
		if rapid.Bool().Draw(r, "sized") {
			most := rapid.Int64Range(0, 50).Draw(r, "most")
			c.MaxTotal = &most
		}
		var files []file
		for i := range rapid.IntRange(0, 12).Draw(r, "files") {
			age := time.Duration(rapid.IntRange(0, 8).Draw(r, "age")) * time.Hour
			files = append(files, file{folder: in, name: fmt.Sprint(i), size: rapid.Int64Range(0, 10).Draw(r, "size"), modified: now.Add(-age)})
		}
		picked := plan(c, files, now)
		gone := map[string]bool{}
		for i, f := range picked {
			if gone[f.name] {
				r.Fatalf("%s is picked twice", f.name)
			}
			gone[f.name] = true
			if i > 0 && f.modified.Before(picked[i-1].modified) {
				r.Errorf("%s is deleted after a newer one", f.name)
			}
		}
		var kept []file
		var total int64
		for _, f := range files {
			if !gone[f.name] {
				kept, total = append(kept, f), total+f.size
			}
		}
		if len(kept) < min(c.KeepNewest, len(files)) {
			r.Errorf("%d are kept", len(kept))
		}
		for _, k := range kept {
			for _, p := range picked {
				if p.modified.After(k.modified) {
					r.Errorf("%s is deleted though %s is older and kept", p.name, k.name)
				}
			}
			if len(kept) > c.KeepNewest && c.OlderThan > 0 && now.Sub(k.modified) > c.OlderThan {
				r.Errorf("%s is too old and kept", k.name)
			}
		}
		if c.MaxTotal != nil && len(kept) > c.KeepNewest && total > *c.MaxTotal {
			r.Errorf("%d bytes are kept", total)
		}
		if c.MaxTotal != nil && c.OlderThan == 0 && len(picked) > 0 && total+picked[len(picked)-1].size <= *c.MaxTotal {
			r.Errorf("%s is deleted without need", picked[len(picked)-1].name)
		}
	})
}

func FuzzNoPatternReachesAGuardedFolder(f *testing.F) {
	for _, s := range []string{"/", "/var/../etc/*", "a/./../..", "/etc//x", "//etc", "/va[r]/log", "x/*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePattern(text)
		if err != nil {
			return
		}
		base := filepath.Clean(p.base)
		if slices.Contains(guarded, base) || base == "." || strings.HasPrefix(base+"/", "../") || len(p.below) == 0 {
			t.Errorf("%q reaches %+v", text, p)
		}
	})
}

func TestThePluginDescribesItself(t *testing.T) {
	t.Parallel()
	p := tasktest.Binary(t, ".")
	tasktest.NoSideEffects(t, p)
	dir := t.TempDir()
	tree(t, dir, "9h.log", "1h.log")
	if r := p.Run("prune", fmt.Sprintf("paths = [%q]\nolder_than = \"5h\"", dir)); r.Outcome() != "succeeded" || len(left(t, dir)) != 1 {
		t.Errorf("the built binary: %s %s", r.Outcome(), r.Message())
	}
	if err := p.Validate("prune", "paths = [\"/\"]\nolder_than = \"1d\""); err == nil || !strings.Contains(err.Error(), "not for pruning") {
		t.Errorf("pruning / = %v", err)
	}
}

func TestREADMEHoldsTheConfig(t *testing.T) { readme.Check(t, plugin()) }
