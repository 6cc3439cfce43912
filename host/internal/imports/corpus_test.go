package imports_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/taskhost/taskhost/host/internal/imports"
	"github.com/taskhost/taskhost/host/internal/imports/crontab"
	"github.com/taskhost/taskhost/host/internal/imports/pm2"
	"github.com/taskhost/taskhost/host/internal/imports/supervisord"
	"github.com/taskhost/taskhost/host/internal/imports/systemd"
)

var update = flag.Bool("update", false, "write what the tests expect anew")

// formats read a set of files as on a machine in London with few accounts and files.
var formats = map[string]func([]imports.File) *imports.Found{
	"crontab": func(files []imports.File) *imports.Found {
		known := []string{"root", "www-data"}
		return crontab.Read(files, crontab.Options{Zone: "Europe/London", Account: func(name string) bool { return slices.Contains(known, name) }})
	},
	"systemd": func(files []imports.File) *imports.Found {
		return systemd.Read(files, systemd.Options{Zone: "Europe/London", Exists: func(path string) bool { return path != "/etc/default/shop-web" }})
	},
	"supervisord": func(files []imports.File) *imports.Found {
		return supervisord.Read(files, supervisord.Options{Dir: "/etc/supervisor"})
	},
	"pm2": pm2.Read,
}

const expected = "out.hcl"

// TestRealWorldShapesBecomeReadableHCL compares what each folder of testdata comes to with its out.hcl.
func TestRealWorldShapesBecomeReadableHCL(t *testing.T) {
	t.Parallel()
	for format, read := range formats {
		cases, err := filepath.Glob(filepath.Join("testdata", format, "*"))
		if err != nil || len(cases) == 0 {
			t.Fatalf("no cases of %s: %v", format, err)
		}
		for _, dir := range cases {
			t.Run(filepath.Join(format, filepath.Base(dir)), func(t *testing.T) {
				got := write(t, read(inputs(t, dir)))
				golden(t, filepath.Join(dir, expected), got)
			})
		}
	}
}

// inputs are the files of a case.
func inputs(t testing.TB, dir string) []imports.File {
	t.Helper()
	var files []imports.File
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == expected {
			return err
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files = append(files, imports.File{Name: name, Text: string(text)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// write makes HCL, which has to parse and to be in canonical form.
func write(t *testing.T, f *imports.Found) string {
	t.Helper()
	out := imports.Write(f, imports.Output{Notes: true})
	if _, diags := hclsyntax.ParseConfig(out, expected, hcl.InitialPos); diags.HasErrors() {
		t.Errorf("this is no HCL: %v\n%s", diags, out)
	}
	return string(out)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// FuzzImport reads any text in every format: it comes to HCL that parses, and nothing panics.
func FuzzImport(f *testing.F) {
	names := map[string]string{"crontab": "tab", "systemd": "a.service", "supervisord": "supervisord.conf", "pm2": "ecosystem.config.js"}
	for format := range formats {
		cases, _ := filepath.Glob(filepath.Join("testdata", format, "*"))
		for _, dir := range cases {
			for _, file := range inputs(f, dir) {
				f.Add(file.Text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for format, read := range formats {
			write(t, read([]imports.File{{Name: names[format], Text: text}}))
		}
		write(t, systemd.Read([]imports.File{{Name: "a.timer", Text: text}, {Name: "a.service", Text: "[Service]\nExecStart=/bin/a\n"}}, systemd.Options{}))
	})
}
