package store_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
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

// A test binary that finds victimDir in its environment is the process that gets killed.
const victimDir = "TASKHOST_STORE_VICTIM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(victimDir); dir != "" {
		victim(dir)
		return
	}
	if dir := os.Getenv(moverDir); dir != "" {
		mover(dir)
		return
	}
	if dir := os.Getenv(refusedDir); dir != "" {
		refused(dir)
		return
	}
	os.Exit(m.Run())
}

// victim writes as long as it lives and says on standard output what was acknowledged: "worker number".
func victim(dir string) {
	s, err := store.Open(filepath.Join(dir, "taskhost.db"), store.Options{Keep: task.Keep{Succeeded: 50}})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	lines := make(chan string)
	for w := range 4 {
		name := fmt.Sprint("w", w)
		go func() {
			n, _ := strconv.Atoi(value(s, name, "n"))
			for n++; ; n++ {
				var err error
				id := fmt.Sprintf("%s-%d", name, n)
				s.SaveRun(task.Run{ID: id, Task: name, State: task.RunRunning, Trigger: task.TriggerManual, Queued: time.Now()})
				if n%7 == 0 {
					err = s.SaveOverrides(context.Background(), name, task.Overrides{Paused: &task.Override{By: fmt.Sprint(n), At: time.Now()}})
				} else if n%11 == 0 {
					_, err = s.SetCheckpoint(context.Background(), name, "person", number(n), 0)
				}
				if err == nil {
					err = s.Commit(context.Background(), name, id, []task.Op{
						{Kind: task.OpSave, Key: "n", Value: number(n)}, {Kind: task.OpSave, Key: "twin", Value: number(n)}, {Kind: task.OpSaveRun, Key: "n", Value: number(n)},
					})
				}
				if err != nil {
					lines <- "error " + err.Error()
					return
				}
				lines <- fmt.Sprint(name, " ", n)
				s.Event(task.Event{Topic: "run", Kind: "ended", Task: name, Run: id})
				s.SaveRun(task.Run{ID: id, Task: name, State: task.RunEnded, Outcome: task.OutcomeSucceeded, Trigger: task.TriggerManual, Queued: time.Now(), Ended: time.Now()})
			}
		}()
	}
	for line := range lines {
		fmt.Println(line)
	}
}

func number(n int) json.RawMessage { return json.RawMessage(strconv.Itoa(n)) }

func value(s *store.SQLite, name, key string) string {
	v, _, err := s.Load(context.Background(), name, key)
	if err != nil {
		return err.Error()
	}
	return string(v)
}

func TestWhatWasAcknowledgedSurvivesSIGKILL(t *testing.T) {
	t.Parallel()
	kills := 100
	if testing.Short() {
		kills = 10
	}
	dir := t.TempDir()
	acked := map[string]int{}
	for range kills {
		killed(t, dir, acked, 1+rand.IntN(40))
		s, err := store.Open(filepath.Join(dir, "taskhost.db"), store.Options{Keep: task.Keep{Succeeded: 50}})
		if err != nil {
			t.Fatal(err)
		}
		for name, n := range acked {
			acked[name] = whole(t, s, name, n) // the next victim goes on from there
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	report, err := store.Check(t.Context(), filepath.Join(dir, "taskhost.db"))
	if err != nil || len(report) > 0 {
		t.Errorf("after %d kills: %q, %v", kills, report, err)
	}
}

// killed lets a victim write, and kills it when it has acknowledged so many lines more.
func killed(t *testing.T, dir string, acked map[string]int, lines int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	for i := 0; in.Scan(); i++ {
		name, n, _ := strings.Cut(in.Text(), " ")
		if name == "error" {
			t.Fatalf("the victim: %s", n)
		}
		if acked[name], err = strconv.Atoi(n); err != nil {
			t.Fatalf("the victim said %q", in.Text())
		}
		if i == lines {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
}

// whole checks that a worker's last acknowledged commit, or one that was about to be, is there as a whole. It returns
// which one that is.
func whole(t *testing.T, s *store.SQLite, name string, acked int) int {
	t.Helper()
	n, _ := strconv.Atoi(value(s, name, "n"))
	if n < acked || n > acked+2 || value(s, name, "twin") != strconv.Itoa(n) {
		t.Fatalf("%s: %d was acknowledged, there is %d with %s", name, acked, n, value(s, name, "twin"))
	}
	m, err := s.Recall(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if want := acked / 7 * 7; want > 0 {
		if by, _ := strconv.Atoi(m.Overrides.Paused.By); by < want {
			t.Errorf("%s: the override of %d was acknowledged, there is that of %d", name, want, by)
		}
	}
	// A run that committed is live or has ended, and no other: it was saved before.
	for i := max(1, acked-20); i <= acked; i++ {
		id := fmt.Sprintf("%s-%d", name, i)
		if _, ok, err := s.Run(t.Context(), id); !ok || err != nil {
			t.Errorf("run %s, which committed: %v, %v", id, ok, err)
		}
	}
	for _, r := range m.Live {
		if v, err := s.RunValues(t.Context(), r.ID); err != nil || len(v) > 1 {
			t.Errorf("run %s holds %v, %v", r.ID, v, err)
		}
	}
	if len(m.Live) > 0 {
		// As the supervisor would: what was in a process is lost.
		for _, r := range m.Live {
			r.State, r.Outcome, r.Ended = task.RunEnded, task.OutcomeLost, time.Now()
			s.SaveRun(r)
		}
	}
	return n
}
