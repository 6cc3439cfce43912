package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

// ImportOptions are what an import is made from.
type ImportOptions struct {
	Format     string // crontab, systemd, supervisord, pm2
	Files      []ImportFile
	Zone       string // IANA name; "" is the machine's
	UserColumn string // auto, yes, no
	Notes      bool   // also as comments in the HCL
	Flat       bool   // without a defaults block
}

// ImportFile is one file to import.
type ImportFile struct{ Name, Text string }

// Imported is what an import came to.
type Imported struct {
	HCL   string       `json:"hcl"`
	Tasks []string     `json:"tasks"`
	Notes []ImportNote `json:"notes"`
}

// ImportNote says what a person has to know of an import.
type ImportNote struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
	Kind string `json:"kind"` // broken, skipped, differs, renamed
	Text string `json:"text"`
}

func (n ImportNote) String() string {
	place := n.File
	if n.Line > 0 {
		place = fmt.Sprintf("%s:%d", n.File, n.Line)
	}
	return place + ": " + n.Text
}

func (i Imported) broken() int {
	n := 0
	for _, note := range i.Notes {
		if note.Kind == "broken" {
			n++
		}
	}
	return n
}

func (a *app) importCommand() *cobra.Command {
	return parent("import", "Write the configuration for what another supervisor is told, and name what has no equivalent",
		a.importFormat("crontab", "Import crontabs: of users (crontab -l | taskhost import crontab -), /etc/crontab, /etc/cron.d"),
		a.importFormat("systemd", "Import systemd services and timers with their drop-ins, and instances of templates"),
		a.importFormat("supervisord", "Import the programs of supervisord"),
		a.importFormat("pm2", "Import ecosystem files of pm2 (JSON, YAML, JavaScript without expressions), or its processes: pm2 jlist | taskhost import pm2 -"),
	)
}

func (a *app) importFormat(format, short string) *cobra.Command {
	o := ImportOptions{Format: format, UserColumn: "auto"}
	var report string
	c := &cobra.Command{
		Use: format + " FILE|DIR|-...", Short: short, Args: some("a file, a directory or - for standard input"),
		Example: map[string]string{
			"crontab": "    taskhost import crontab /etc/crontab /etc/cron.d > shop.hcl",
			"systemd": "    taskhost import systemd /etc/systemd/system/shop-*.service > shop.hcl",
		}[format],
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains([]string{"auto", "yes", "no"}, o.UserColumn) {
				return usagef("-user-column takes auto, yes or no")
			}
			var err error
			if o.Files, err = a.importFiles(format, args); err != nil {
				return err
			}
			o.Notes = report == ""
			done, err := a.commands.Import(o)
			if err != nil {
				return err
			}
			return a.imported(done, report)
		},
	}
	f := c.Flags()
	f.StringVar(&report, "report", "", "write the notes to this file, and not as comments into the configuration")
	f.BoolVar(&o.Flat, "no-defaults", false, "write every value into its task, for a directory with a defaults block already")
	if format == "crontab" {
		f.StringVar(&o.UserColumn, "user-column", "auto", "whether the sixth word of an entry is an account: auto, yes, no")
	}
	if format == "crontab" || format == "systemd" {
		f.StringVar(&o.Zone, "time-zone", "", "the zone of the schedules that name none; that of this machine without it")
	}
	return c
}

// imported shows what came of it: HCL on standard output, the notes for the person.
func (a *app) imported(done Imported, report string) error {
	notes := make([]string, len(done.Notes))
	for i, n := range done.Notes {
		notes[i] = admin.Printable(n.String())
		if !a.json {
			a.say("%s", notes[i])
		}
	}
	if report != "" {
		if err := os.WriteFile(report, []byte(strings.Join(append(notes, ""), "\n")), 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if err := a.emit(done, func() { fmt.Fprint(a.Out, done.HCL) }); err != nil {
		return err
	}
	broken := done.broken()
	if !a.json {
		a.say("%s; %s could not be read, %s", plural(len(done.Tasks), "task"), plural(broken, "thing"), plural(len(notes)-broken, "further note"))
	}
	if broken > 0 || len(done.Tasks) == 0 {
		return &Silent{ExitFailed}
	}
	return nil
}

// importFiles reads the files; of a directory those that its program would read.
func (a *app) importFiles(format string, args []string) ([]ImportFile, error) {
	var files []ImportFile
	for _, arg := range args {
		names, err := importNames(format, arg)
		if err != nil {
			return nil, err
		}
		for _, n := range names {
			text, err := a.importText(n.path)
			if err != nil {
				return nil, err
			}
			files = append(files, ImportFile{Name: n.name, Text: text})
		}
	}
	return files, nil
}

// importable are the files that each program reads in a directory.
var importable = map[string]*regexp.Regexp{
	"crontab":     regexp.MustCompile(`^[A-Za-z0-9_-]+$`), // as cron does: no backups, no leftovers of packages
	"systemd":     regexp.MustCompile(`\.(service|timer)$`),
	"supervisord": regexp.MustCompile(`\.(conf|ini)$`),
	"pm2":         regexp.MustCompile(`^(ecosystem|process).*\.(json|ya?ml|c?js)$`),
}

// importName is a file to read, and what it is called.
type importName struct{ name, path string }

func importNames(format, arg string) ([]importName, error) {
	if arg == "-" {
		return []importName{{"stdin", arg}}, nil
	}
	if format == "systemd" {
		if names, done := unitNames(arg); done {
			return names, nil
		}
	}
	info, err := os.Stat(arg)
	if err != nil {
		return nil, usagef("cannot import: %v", err)
	}
	if !info.IsDir() {
		return []importName{{arg, arg}}, nil
	}
	names, err := namesIn(arg, importable[format])
	if err != nil {
		return nil, usagef("cannot import: %v", err)
	}
	if format == "systemd" {
		names = append(names, namesBelow(arg)...)
	}
	if len(names) == 0 {
		return nil, usagef("cannot import: %s holds no file of %s", arg, format)
	}
	return names, nil
}

// namesIn are the files of a directory that match. Empty ones say nothing.
func namesIn(dir string, match *regexp.Regexp) ([]importName, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []importName
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() && info.Size() > 0 && match.MatchString(e.Name()) {
			names = append(names, importName{name, name})
		}
	}
	return names, nil
}

// importText reads one file, or standard input.
func (a *app) importText(name string) (string, error) {
	in := a.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return "", usagef("cannot import: %v", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	if len(text) > maxInput {
		return "", usagef("cannot import %s: it is larger than 1MiB", name)
	}
	return string(text), nil
}
