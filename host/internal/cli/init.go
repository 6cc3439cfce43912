package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func (a *app) initCommand() *cobra.Command {
	return &cobra.Command{
		Use: "init [DIR]", Short: "Write a configuration to start from, which explains itself; nothing is overwritten", Args: between(0, "DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			text, err := a.commands.FirstConfig(dir)
			if err != nil {
				return err
			}
			path := filepath.Join(dir, defaultConfig)
			if err := writeNew(map[string][]byte{path: text}); err != nil {
				return err
			}
			return a.emit(written{Files: []string{path}}, func() {
				a.line("%s", path)
				a.say("check it with taskhost validate %s, start it with taskhost serve -config %s", path, path)
			})
		},
	}
}

// written says which files a command has made.
type written struct {
	Files []string `json:"files"`
}

// writeNew writes files that are not there yet, with their directories. When one is there, none is written.
func writeNew(files map[string][]byte) error {
	for path := range files {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already; nothing was written", path)
		}
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		if _, err := f.Write(text); err != nil {
			f.Close()
			return fmt.Errorf("write %s: %w", path, err)
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}
