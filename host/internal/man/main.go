// Command man writes the man pages of taskhost, one per command, from the command line's own words.
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/taskhost/taskhost/host/internal/cli"
)

func main() {
	if err := write(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "man: "+err.Error())
		os.Exit(1)
	}
}

func write(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("say where: go run ./host/internal/man DIR")
	}
	dir := args[0]
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := cli.ManPages(dir); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) == 0 {
		return fmt.Errorf("no page in %s (%v)", dir, err)
	}
	for _, page := range pages {
		if err := singleDash(page); err != nil {
			return err
		}
	}
	return nil
}

// singleDash writes the flags of a page as the rest of the documentation does.
func singleDash(page string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	return os.WriteFile(page, bytes.ReplaceAll(text, []byte(`\-\-`), []byte(`\-`)), 0o644)
}
