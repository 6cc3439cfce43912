package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

var cookbook = filepath.Join(root, "examples", "cookbook")

// recipes are the folders of the cookbook; each does what its page says.
var recipes = map[string]func(*testing.T, *kitchen){
	"01-database-dump":      dumpIsUploaded,
	"02-log-pruning":        logsArePruned,
	"03-certificate":        certificateIsRenewed,
	"04-polling":            apiIsPolled,
	"05-worker-pool":        workersKeepTheRate,
	"06-resumable-batch":    batchGoesOn,
	"07-health-checks":      sitesAreChecked,
	"08-webhook-intake":     eventsAreTaken,
	"09-mail-on-failure":    failuresAreMailed,
	"10-maintenance-window": windowHoldsBack,
	"11-blue-green":         releasesAreSwitched,
	"12-celery-beat":        beatIsReplaced,
}

func TestEveryRecipeDoesWhatItsPageSays(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(cookbook)
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(root, "docs", "guide", "cookbook.md"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		seen++
		if !strings.Contains(string(index), "cookbook/"+e.Name()+"/README.md") {
			t.Errorf("the guide does not list %s", e.Name())
		}
		does := recipes[e.Name()]
		if does == nil {
			t.Errorf("nothing tests %s", e.Name())
			continue
		}
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			does(t, &kitchen{t: t, folder: filepath.Join(cookbook, e.Name())})
		})
	}
	if seen != len(recipes) {
		t.Errorf("there are %d folders, %d recipes are tested", seen, len(recipes))
	}
}

// A kitchen is where a recipe is tried: a host on a copy of its folder.
type kitchen struct {
	*admintest.Host
	t      *testing.T
	folder string
	page   string
	path   string // PATH, with taskhost
}

// open copies the recipe and more files, and starts a host on it, whose configuration must be valid and canonical as it stands.
func (k *kitchen) open(vars, files map[string]string) {
	t := k.t
	t.Helper()
	dir := t.TempDir()
	k.copyTo(dir)
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	k.path = withTaskhost(t)
	k.Host = stageWith(t, admintest.Options{
		Dir: dir, Config: filepath.Join(dir, "config.hcl"), Vars: vars, Env: []string{"PATH=" + k.path},
		Plugins: []string{"plugins/exec", "plugins/http", "plugins/files"},
	})
	for _, args := range [][]string{{"validate"}, {"fmt", "-check", "config.hcl"}} {
		if out, code := cliWith(t, dir, nil, args...); code != 0 {
			t.Errorf("%v: exit %d: %s", args, code, out)
		}
	}
}

// copyTo copies the recipe's files; what a host that was started in the folder left there is no part of it.
func (k *kitchen) copyTo(dir string) {
	k.t.Helper()
	entries, err := os.ReadDir(k.folder)
	if err != nil {
		k.t.Fatal(err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(k.folder, e.Name()))
		if err != nil {
			k.t.Fatal(err)
		}
		info, err := e.Info()
		if err != nil {
			k.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), text, info.Mode().Perm()); err != nil {
			k.t.Fatal(err)
		}
		if e.Name() == "README.md" {
			k.page = string(text)
		}
	}
}

// says runs a command line that the page has, and returns what it printed and its exit code.
func (k *kitchen) says(command string) (string, int) {
	k.t.Helper()
	if !strings.Contains(k.page, "\n    "+command) {
		k.t.Fatalf("the page of %s has no line %q", filepath.Base(k.folder), command)
	}
	cmd := exec.CommandContext(k.t.Context(), "sh", "-c", command)
	cmd.Dir = k.Dir
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "PATH="+k.path)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		k.t.Fatalf("%s: %v", command, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// does runs a command line that the page has: it succeeds, and prints what is wanted.
func (k *kitchen) does(command string, want ...string) {
	k.t.Helper()
	out, code := k.says(command)
	missing := func(text string) bool { return !strings.Contains(out, text) }
	if code != 0 || slices.ContainsFunc(want, missing) {
		k.t.Errorf("%s: exit %d, want 0 and %q in\n%s", command, code, want, out)
	}
}

// needs skips a recipe whose program is not on this machine.
func (k *kitchen) needs(program string) {
	k.t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		k.t.Skipf("this machine has no %s", program)
	}
}

// file is the text of a file in the recipe's folder; "" when it is not there.
func (k *kitchen) file(name string) string {
	k.t.Helper()
	text, err := os.ReadFile(filepath.Join(k.Dir, name))
	if err != nil && !os.IsNotExist(err) {
		k.t.Fatal(err)
	}
	return string(text)
}
