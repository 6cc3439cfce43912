package store

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// takeTurns reads from the file again and again until ctx ends, so that somebody always does: each begins before the one before it ends.
func takeTurns(ctx context.Context, t *testing.T, path string) {
	db := openDB(path, "mode=ro&_query_only=1", usual.busy)
	defer db.Close()
	begin := func() *sql.Tx {
		tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
		if err == nil {
			_, err = tx.Exec(`SELECT number FROM meta`)
		}
		if err != nil {
			t.Error(err)
		}
		return tx
	}
	turn := time.NewTicker(50 * time.Millisecond)
	defer turn.Stop()
	for reads := begin(); ; {
		select {
		case <-turn.C:
			next := begin()
			_ = reads.Rollback()
			reads = next
		case <-ctx.Done():
			_ = reads.Rollback()
			return
		}
	}
}

func TestReadersThatTakeTurnsDoNotLetTheLogGrowForEver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "taskhost.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	readers.Go(func() { takeTurns(ctx, t, path) })
	body := []byte(`"` + strings.Repeat("x", 1<<20) + `"`)
	longest, last := int64(0), []uint64(nil)
	for range 200 {
		m := &task.Message{Queue: "q", ID: "m", Body: body}
		done := make(chan error, 1)
		s.WriteQueues(&task.QueueWrite{Put: []task.Put{{Message: m}}, Delete: last, Waiting: true, Done: func(err error) { done <- err }})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		last = []uint64{m.Seq}
		info, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		longest = max(longest, info.Size())
	}
	cancel()
	readers.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if longest > 2*longLog {
		t.Errorf("the log has become %d bytes long", longest)
	}
}
