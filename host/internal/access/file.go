package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// version is that of the file's form.
const version = 1

// document is the file of a Book.
type document struct {
	Version int     `json:"version"`
	Tokens  []entry `json:"tokens"`
}

// entry is a token as the file holds it.
type entry struct {
	Token
	Digest hexDigest `json:"sha256"` // of its text
}

// read returns the entries of the file at path; without a file there are none.
func read(path string) ([]entry, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the tokens in %s may be read or changed by others (mode %#o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	var doc document
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read the tokens in %s: %w; move the file away, and make the tokens anew", path, err)
	}
	if doc.Version != version {
		return nil, fmt.Errorf("the tokens in %s have the form %d, this host knows %d; use the newer host", path, doc.Version, version)
	}
	return doc.Tokens, nil
}

// write replaces the file at path in one step, synced.
func write(path string, entries []entry) (err error) {
	if entries == nil {
		entries = []entry{}
	}
	data, err := json.MarshalIndent(document{Version: version, Tokens: entries}, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the tokens: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tokens-*") // 0600
	if err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("write the tokens: %w", err)
		}
	}()
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the new name of a file in it last.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
