package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/support"
)

func (a *app) supportCommand() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "support FILE", Short: "Write what the host knows of itself into one archive, for whoever is asked for help; needs the role admin", Args: exactly("a file to write"),
		Example: "    taskhost support taskhost-support.tar.gz",
	}
	c.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	c.RunE = func(c *cobra.Command, args []string) error {
		api, err := a.host()
		if err != nil {
			return err
		}
		m, size, err := a.gather(c.Context(), api, args[0], force)
		if err != nil {
			return err
		}
		return a.emit(m, func() { a.showSupport(args[0], size, m) })
	}
	return c
}

// gather writes the archive. Nothing stands under its name before it is whole.
func (a *app) gather(ctx context.Context, api *admin.Client, to string, force bool) (m support.Manifest, size int64, err error) {
	defer func() {
		if err != nil && admin.AsProblem(err) == nil {
			err = fmt.Errorf("write the archive %s: %w", to, err)
		}
	}()
	if _, err := os.Lstat(to); err == nil && !force {
		return m, 0, errors.New("the file is there already; name another, or replace it with -force")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, 0, err
	}
	f, err := os.CreateTemp(filepath.Dir(to), ".taskhost-support-*") // for its owner alone
	if err != nil {
		return m, 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	p := &progress{a: a}
	m, err = support.Gather(ctx, api, f, support.Options{Client: a.commands.Version, Now: a.Now, Progress: a.gathering(p)})
	p.close()
	if err != nil {
		return m, 0, err
	}
	st, err := f.Stat()
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return m, 0, err
	}
	return m, st.Size(), os.Rename(f.Name(), to)
}

// gathering says on stderr what is asked for.
func (a *app) gathering(p *progress) func(string) {
	switch {
	case a.json || a.quiet:
		return nil
	case a.TTY:
		return p.redraw
	}
	return func(what string) { a.say("asks for %s", what) }
}

func (a *app) showSupport(file string, size int64, m support.Manifest) {
	if a.quiet {
		a.line("%s", file)
		return
	}
	a.line("%s  %s in %s", file, plural(len(m.Parts), "part"), sizeText(size))
	for _, miss := range m.Missing {
		a.line("not in it: %s: %s", admin.Printable(miss.What), admin.Printable(oneLine(miss.Why)))
	}
	a.say("left out: %s; look through it before you give it away: logs and errors say what their authors wrote", m.LeftOut)
}
