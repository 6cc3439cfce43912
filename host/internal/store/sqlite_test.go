package store_test

import (
	"path/filepath"
	"testing"

	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/store/storetest"
)

func TestSQLiteKeepsTheContract(t *testing.T) {
	t.Parallel()
	storetest.Conformance(t, func(t *testing.T, o store.Options) store.Store {
		s, err := store.Open(filepath.Join(t.TempDir(), "taskhost.db"), o)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
