package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

// Every case of the corpus comes to a configuration that validates with the real plugin, broken lines or not.
func TestWhatIsImportedValidates(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("../imports/testdata/*/*")
	if err != nil || len(cases) < 8 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	dir := bench(t, nil)
	for i, c := range cases {
		format := filepath.Base(filepath.Dir(c))
		args := []string{"import", format}
		inputs, _ := filepath.Glob(filepath.Join(c, "*"))
		for _, input := range inputs {
			if filepath.Base(input) != "out.hcl" {
				path, err := filepath.Abs(input)
				if err != nil {
					t.Fatal(err)
				}
				args = append(args, path)
			}
		}
		validates(t, dir, fmt.Sprintf("case%d.hcl", i), args)
	}
}

// The machine's own files, where it has some.
func TestWhatThisMachineRunsIsImportedAndValidates(t *testing.T) {
	t.Parallel()
	dir := bench(t, nil)
	for format, places := range map[string][]string{
		"crontab":     {"/etc/crontab", "/etc/cron.d"},
		"systemd":     {"/lib/systemd/system", "/etc/systemd/system"},
		"supervisord": {"/etc/supervisor/supervisord.conf", "/etc/supervisor/conf.d"},
	} {
		for i, place := range places {
			if entries, err := os.ReadDir(place); err == nil && len(entries) == 0 {
				continue
			}
			if _, err := os.Stat(place); err == nil {
				validates(t, dir, fmt.Sprintf("%s%d.hcl", format, i), []string{"import", format, place})
			}
		}
	}
}

// cliOut runs the command line and returns its standard output.
func cliOut(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(admintest.Build(t, "host/cmd/taskhost"), args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// validates imports into a file and validates it.
func validates(t *testing.T, dir, name string, args []string) {
	t.Helper()
	out, code := cliOut(t, dir, args...)
	if code > 1 {
		return // the machine's directory holds no file of the format
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, code := cliWith(t, dir, nil, "validate", "-config", name); code != 0 {
		t.Errorf("%v: exit %d: %s", args, code, said)
	}
}

// A crontab goes on on a real host: with its environment, its standard input and its @reboot.
func TestAnImportedCrontabRuns(t *testing.T) {
	t.Parallel()
	dir := bench(t, nil)
	out := filepath.Join(dir, "out")
	tab := "# the shop's\nSHELL=/bin/sh\nOUT=" + out + "\n@reboot touch \"$OUT.booted\"\n\n# says hello\n" +
		"@every 1s cat > \"$OUT.part\" && mv \"$OUT.part\" \"$OUT\" # c\\%ment%hello \"$you\"%100\\% of it\n"
	if err := os.WriteFile(filepath.Join(dir, "tab"), []byte(tab), 0o600); err != nil {
		t.Fatal(err)
	}
	hcl, code := cliOut(t, dir, "import", "crontab", "tab")
	if code != 0 || !strings.Contains(hcl, "# says hello\ntask") {
		t.Fatalf("exit %d: %s", code, hcl)
	}
	h := admintest.Start(t, admintest.Options{HCL: hcl, Plugins: []string{"plugins/exec"}})
	h.Until("the command has had its input", func(context.Context) error {
		text, err := os.ReadFile(out)
		if err == nil && string(text) != "hello \"$you\"\n100% of it\n" {
			err = fmt.Errorf("it has %q", text)
		}
		_, booted := os.Stat(out + ".booted")
		return errors.Join(err, booted)
	})
}
