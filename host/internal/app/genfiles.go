package app

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/taskhost/taskhost/host/internal/config"
)

// genFiles keeps the files that generations were read from, below the data directory, for its owner alone: they may
// hold secrets. Nothing shows them; a rollback reads them.
type genFiles struct{ dir string }

// genFile says where a kept file stood.
type genFile struct {
	Path     string `json:"path"`     // as it was named
	Absolute string `json:"absolute"` // where that was
	Values   bool   `json:"values,omitempty"`
	SHA256   string `json:"sha256"`
}

const manifest = "manifest.json"

// save keeps the files of a generation; all of them or none.
func (g genFiles) save(number int, files []config.File) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("keep the files of generation %d: %w", number, err)
		}
	}()
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return err
	}
	part := filepath.Join(g.dir, ".new-"+strconv.Itoa(number))
	if err := errors.Join(os.RemoveAll(part), os.Mkdir(part, 0o700)); err != nil {
		return err
	}
	list := make([]genFile, len(files))
	for i, f := range files {
		absolute, err := filepath.Abs(f.Path)
		if err != nil {
			return err
		}
		list[i] = genFile{f.Path, absolute, f.Values, digestOf(f.Text)}
		if err := os.WriteFile(filepath.Join(part, strconv.Itoa(i)), f.Text, 0o600); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(part, manifest), text, 0o600); err != nil {
		return err
	}
	if err := os.RemoveAll(g.of(number)); err != nil {
		return err
	}
	return os.Rename(part, g.of(number))
}

func (g genFiles) of(number int) string { return filepath.Join(g.dir, strconv.Itoa(number)) }

// kept reports whether the files of a generation are there.
func (g genFiles) kept(number int) bool {
	_, err := os.Stat(filepath.Join(g.of(number), manifest))
	return err == nil
}

// read returns the files of a generation as they were.
func (g genFiles) read(number int) ([]config.File, error) {
	text, err := os.ReadFile(filepath.Join(g.of(number), manifest))
	if err != nil {
		return nil, err
	}
	var list []genFile
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", manifest, err)
	}
	files := make([]config.File, len(list))
	for i, f := range list {
		text, err := os.ReadFile(filepath.Join(g.of(number), strconv.Itoa(i)))
		if err != nil {
			return nil, err
		}
		if digestOf(text) != f.SHA256 {
			return nil, fmt.Errorf("the copy of %s is not as it was kept", f.Path)
		}
		files[i] = config.File{Path: f.where(), Text: text, Values: f.Values}
	}
	return files, nil
}

// where is the path as it was named, if it still means the same place.
func (f genFile) where() string {
	if now, err := filepath.Abs(f.Path); err == nil && now == f.Absolute {
		return f.Path
	}
	return f.Absolute
}

// retire removes what is kept of generations that are not remembered any more.
func (g genFiles) retire(remembered func(number int) bool) error {
	entries, err := os.ReadDir(g.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if number, err := strconv.Atoi(e.Name()); err == nil && !remembered(number) {
			errs = append(errs, os.RemoveAll(filepath.Join(g.dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
