package api

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// LoadToken returns the token in the file at path and makes the file, with mode 0600, when there is
// none. It refuses a file that is empty, unreadable or open to others: a host without a secret
// must not listen.
func LoadToken(path string) (string, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeToken(path)
	}
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("the token %s may be read by others (mode %#o); run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	text := strings.TrimSpace(string(data))
	if len(text) < 32 {
		return "", fmt.Errorf("the token in %s is empty or too short to be a secret; remove the file and the host makes a new one", path)
	}
	return text, nil
}

// makeToken writes a new token beside path and links it there, so that nobody ever reads a part of it
// and of two hosts that start at once only one wins.
func makeToken(path string) (string, error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	text := "th_" + hex.EncodeToString(secret)
	f, err := os.CreateTemp(filepath.Dir(path), ".token-*") // 0600
	if err != nil {
		return "", fmt.Errorf("make the token: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return LoadToken(path)
	}
	if err != nil {
		return "", fmt.Errorf("make the token: %w", err)
	}
	return text, nil
}
