package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/task"
)

// A test binary that finds refusedDir in its environment writes there while some of its syncs fail.
const refusedDir = "TASKHOST_STORE_REFUSED"

// refused writes numbers until enough are acknowledged, and says which, and how often it was refused.
func refused(dir string) {
	s, err := store.Open(filepath.Join(dir, "taskhost.db"), store.Options{})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	refusals := 0
	for n, acked := 0, 0; acked < 200; n++ { // some of the syncs that fail are of room in the log, which nobody waits for
		err := put(s, n)
		if err == nil {
			acked++
			fmt.Println("acked", n)
			continue
		}
		refusals++
		for s.Ready() != nil {
			<-time.After(time.Millisecond)
		}
	}
	var refusal *task.Error
	if err := s.Close(); errors.As(err, &refusal) {
		refusals++ // the sync that failed was that of the end: what nobody had waited for is not there, and Close says so
	} else if err != nil {
		fmt.Println("error", err)
	}
	fmt.Println("refusals", refusals)
}

// put writes a number, in turn as a value and as a message.
func put(s *store.SQLite, n int) error {
	if n%2 == 0 {
		_, err := s.SetCheckpoint(context.Background(), "a", fmt.Sprint("k", n), number(n), 0)
		return err
	}
	done := make(chan error, 1)
	m := &task.Message{Queue: "q", ID: fmt.Sprint("k", n), Body: number(n)}
	s.WriteQueues(&task.QueueWrite{Put: []task.Put{{Message: m}}, Waiting: true, Done: func(err error) { done <- err }})
	return <-done
}

func TestAFailedSyncIsNeverAcknowledged(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace makes syncs fail, and is not here")
	}
	dir := t.TempDir()
	// The 25th sync of a thread fails, and every 29th from then on.
	cmd := exec.Command(strace, "-f", "-qq", "-o", filepath.Join(dir, "trace"), "-e", "trace=fsync,fdatasync",
		"-e", "inject=fsync,fdatasync:error=EIO:when=25+29", os.Args[0])
	cmd.Env = append(os.Environ(), refusedDir+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Skipf("cannot trace: %v %s", err, out)
	}
	s, err := store.Open(filepath.Join(dir, "taskhost.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	messages := map[string]bool{}
	if err := s.Backlog(t.Context(), func(m task.Message) error { messages[m.ID] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	refusals := 0
	for line := range strings.Lines(string(out)) {
		what, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("the writer said %q", line)
		}
		if what == "refusals" {
			refusals = n
		} else if got := value(s, "a", fmt.Sprint("k", n)); n%2 == 0 && got != text {
			t.Errorf("%d was acknowledged, there is %q", n, got)
		} else if n%2 == 1 && !messages["k"+text] {
			t.Errorf("the message %d was acknowledged, it is not there", n)
		}
	}
	if refusals == 0 {
		t.Error("no write was refused")
	}
	if wrong, err := store.Check(t.Context(), filepath.Join(dir, "taskhost.db")); err != nil || len(wrong) > 0 {
		t.Errorf("Check = %q, %v", wrong, err)
	}
}
