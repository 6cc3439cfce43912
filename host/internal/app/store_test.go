package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/store"
)

func TestAStoreIsFoundByItsConfigurationWithoutPlugins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, hcl string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(hcl), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const host = "variable \"where\" {\n  default = \"elsewhere\"\n}\nhost {\n  data_dir = var.where\n}\n"
	const tasks = "plugin \"gone\" {\n  path = \"gone\"\n}\ntask \"a\" {\n  plugin = \"gone\"\n  on_demand {}\n  config {\n    x = 1\n  }\n}\ntask \"b\" {\n  plugin = \"missing\"\n  on_demand {}\n}\n"
	good, bad := write("good.hcl", host+tasks), write("bad.hcl", host+"task \"a\" {\n  pluign = \"x\"\n}\n")
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(filepath.Join(data, storeFile), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var out bytes.Buffer
	at := func(config string) StoreAt {
		return StoreAt{Source: Source{Paths: []string{config}, Vars: []string{"where=data"}}, Out: &out}
	}
	if i, err := InfoOfStore(t.Context(), at(good)); err != nil || i.Path != filepath.Join(data, storeFile) || i.Format != StoreFormat || out.Len() > 0 {
		t.Errorf("InfoOfStore = %+v, %v; it said %s", i, err, out.String())
	}
	if _, err := InfoOfStore(t.Context(), at(bad)); err == nil || !strings.Contains(err.Error(), "-data-dir") || !strings.Contains(out.String(), "pluign") {
		t.Errorf("InfoOfStore by a configuration with an error = %v; it said %s", err, out.String())
	}
	if path, wrong, err := CheckStore(t.Context(), StoreAt{DataDir: data}); err != nil || len(wrong) > 0 || path != filepath.Join(data, storeFile) {
		t.Errorf("CheckStore = %s, %q, %v", path, wrong, err)
	}
}

func TestNothingIsRestoredUnderAHost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(filepath.Join(dir, storeFile), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	copied := filepath.Join(dir, "copy.db")
	if _, err := BackUpStore(t.Context(), StoreAt{DataDir: dir}, copied, false, nil); err != nil {
		t.Fatal(err)
	}
	to := StoreAt{DataDir: filepath.Join(dir, "new")}
	held, err := openDataDir(to.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := RestoreStore(t.Context(), to, copied, nil); err == nil || !strings.Contains(err.Error(), "pid "+strconv.Itoa(os.Getpid())) {
		t.Errorf("RestoreStore under a host = %v; want its pid", err)
	}
	held.close()
	i, err := RestoreStore(t.Context(), to, copied, nil)
	if err != nil || i.Path != filepath.Join(to.DataDir, storeFile) {
		t.Errorf("RestoreStore = %+v, %v", i, err)
	}
	if _, err := RestoreStore(t.Context(), to, copied, nil); err == nil || !strings.Contains(err.Error(), "not written over") {
		t.Errorf("RestoreStore over a store = %v", err)
	}
}
