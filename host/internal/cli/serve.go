package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// defaultConfig is what serve, validate and fmt read when nothing is named.
const defaultConfig = "config.hcl"

func (s *Sources) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVarP(&s.Config, "config", "c", nil, "a file or a directory of *.hcl and *.hcl.json; may be repeated; "+defaultConfig+" without it")
	f.StringArrayVar(&s.Vars, "var", nil, "set a variable, NAME=VALUE; may be repeated")
	f.StringArrayVar(&s.VarFiles, "var-file", nil, "read variables from a file; may be repeated")
}

// read fills in the default and the arguments.
func (s *Sources) read(args []string) error {
	s.Config = append(s.Config, args...)
	if len(s.Config) == 0 {
		s.Config = []string{defaultConfig}
		if _, err := os.Stat(defaultConfig); errors.Is(err, fs.ErrNotExist) {
			return usagef("there is no %s here; name the configuration with -config", defaultConfig)
		}
	}
	for _, v := range s.Vars {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return usagef("-var %q sets nothing; write NAME=VALUE", v)
		}
	}
	return nil
}

func (a *app) serveCommand() *cobra.Command {
	var o ServeOptions
	c := &cobra.Command{
		Use: "serve", Short: "Start the host and its tasks", Args: exactly(),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(args); err != nil {
				return err
			}
			o.Out, o.Err = a.Out, a.Err
			return a.commands.Serve(c.Context(), o)
		},
	}
	o.flags(c)
	c.Flags().StringVar(&o.LogLevel, "log-level", "", "trace, debug, info, warn or error, against the file")
	return c
}

func (a *app) validateCommand() *cobra.Command {
	var o ValidateOptions
	c := &cobra.Command{
		Use: "validate [FILE|DIR...]", Short: "Check a configuration, plugin configs included; no task is started",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(args); err != nil {
				return err
			}
			o.Out, o.JSON, o.Color = a.Out, a.json, a.colored()
			return a.commands.Validate(c.Context(), o)
		},
	}
	o.flags(c)
	c.Flags().BoolVar(&o.Offline, "offline", false, "start no plugin binary, not even to describe itself")
	return c
}

func (a *app) fmtCommand() *cobra.Command {
	var check, showDiff bool
	c := &cobra.Command{
		Use: "fmt [FILE|DIR|-...]", Short: "Write configuration in its canonical form",
		RunE: func(_ *cobra.Command, args []string) error {
			if slices.Equal(args, []string{"-"}) {
				return a.formatInput(check, showDiff)
			}
			if len(args) == 0 {
				args = []string{"."}
			}
			files, err := hclFiles(args)
			if err != nil {
				return err
			}
			changed := 0
			for _, name := range files {
				did, err := a.formatFile(name, check, showDiff)
				if err != nil {
					return err
				}
				if did {
					changed++
				}
			}
			if check && changed > 0 {
				a.say("%s not in canonical form; taskhost fmt writes it", plural(changed, "file"))
				return &Silent{ExitFailed}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&check, "check", false, "write nothing; exit 1 when a file would change")
	c.Flags().BoolVar(&showDiff, "diff", false, "show what would change, and write nothing")
	return c
}

// hclFiles lists the files, and the *.hcl files of the directories, in name order.
func hclFiles(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, usagef("cannot format: %v", err)
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		entries, err := os.ReadDir(arg)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", arg, err)
		}
		for _, e := range entries {
			if name := e.Name(); filepath.Ext(name) == ".hcl" && name[0] != '.' && !e.IsDir() { // as a configuration is read
				files = append(files, filepath.Join(arg, name))
			}
		}
	}
	return files, nil
}

func (a *app) formatFile(name string, check, showDiff bool) (bool, error) {
	source, err := os.ReadFile(name)
	if err != nil {
		return false, fmt.Errorf("format: %w", err)
	}
	out, err := a.commands.Format(source, name)
	if err != nil {
		return false, err
	}
	if bytes.Equal(source, out) {
		return false, nil
	}
	if showDiff {
		fmt.Fprint(a.Out, lineDiff(name, string(source), string(out)))
		return true, nil
	}
	a.line("%s", name)
	if check {
		return true, nil
	}
	info, err := os.Stat(name)
	if err == nil {
		err = os.WriteFile(name, out, info.Mode().Perm())
	}
	if err != nil {
		return false, fmt.Errorf("format: %w", err)
	}
	return true, nil
}

func (a *app) formatInput(check, showDiff bool) error {
	source, err := io.ReadAll(a.In)
	if err != nil {
		return fmt.Errorf("read stdin: %w", err)
	}
	out, err := a.commands.Format(source, "stdin")
	if err != nil {
		return err
	}
	same := bytes.Equal(source, out)
	switch {
	case showDiff:
		fmt.Fprint(a.Out, lineDiff("stdin", string(source), string(out)))
	case !check:
		a.Out.Write(out)
	}
	if check && !same {
		return &Silent{ExitFailed}
	}
	return nil
}
