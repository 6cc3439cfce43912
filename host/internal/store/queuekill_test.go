package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/task"
)

// A test binary that finds moverDir in its environment moves messages until it is killed.
const moverDir = "TASKHOST_STORE_MOVER"

// mover posts numbers to the queue "in", moves them from there to "out" and gives up every seventh. It says on
// standard output what was acknowledged: "posted n", "moved n", "buried n".
func mover(dir string) {
	s, err := store.Open(filepath.Join(dir, "taskhost.db"), store.Options{})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	say := make(chan string)
	in := make(chan task.Message, 10_000)
	err = s.Backlog(context.Background(), func(m task.Message) error {
		if m.Queue == "in" {
			in <- m
		}
		return nil
	})
	if err != nil {
		fmt.Println("error", err)
		return
	}
	go post(s, in, say)
	for range 3 {
		go move(s, in, say)
	}
	for line := range say {
		fmt.Println(line)
	}
}

// post begins with numbers that were posted before: their ids are remembered.
func post(s *store.SQLite, in chan<- task.Message, say chan<- string) {
	last, _ := strconv.Atoi(value(s, "a", "posted"))
	for n := max(1, last-5); ; n++ {
		m := &task.Message{Queue: "in", ID: fmt.Sprint("m", n), Posted: time.Now(), Body: number(n)}
		w := task.QueueWrite{
			Put:  []task.Put{{Message: m, RememberFor: time.Hour, Digest: number(n)}},
			Task: "a", Ops: []task.Op{{Kind: task.OpSave, Key: "posted", Value: number(max(n, last))}},
		}
		if !written(s, &w, say) {
			return
		}
		say <- fmt.Sprint("posted ", n)
		if !w.Put[0].Duplicate {
			in <- *m
		}
	}
}

func move(s *store.SQLite, in <-chan task.Message, say chan<- string) {
	for m := range in {
		bodies, err := s.Bodies(context.Background(), []uint64{m.Seq})
		n, _ := strconv.Atoi(string(bodies[0]))
		if err != nil || fmt.Sprint("m", n) != m.ID {
			say <- fmt.Sprintf("error the body of %s is %s: %v", m.ID, bodies[0], err)
			return
		}
		s.WriteQueues(&task.QueueWrite{Update: []task.MessageUpdate{{Seq: m.Seq, Attempts: 1}}})
		w := task.QueueWrite{Put: []task.Put{{Message: &task.Message{Queue: "out", ID: m.ID, Posted: time.Now(), Body: bodies[0]}}}, Delete: []uint64{m.Seq}}
		what := "moved"
		if n%7 == 0 {
			w = task.QueueWrite{Bury: []task.Burial{{MessageUpdate: task.MessageUpdate{Seq: m.Seq, Attempts: 1}, Reason: task.DeadFailed, At: time.Now()}}}
			what = "buried"
		}
		if !written(s, &w, say) {
			return
		}
		say <- fmt.Sprint(what, " ", n)
	}
}

func written(s *store.SQLite, w *task.QueueWrite, say chan<- string) bool {
	done := make(chan error, 1)
	w.Waiting, w.Done = true, func(err error) { done <- err }
	s.WriteQueues(w)
	err := <-done
	if err != nil {
		say <- "error " + err.Error()
	}
	return err == nil
}

// where says in which queues each message stands, by its id.
func where(t *testing.T, s *store.SQLite) map[string][]string {
	t.Helper()
	at := map[string][]string{}
	if err := s.Backlog(t.Context(), func(m task.Message) error { at[m.ID] = append(at[m.ID], m.Queue); return nil }); err != nil {
		t.Fatal(err)
	}
	n := 0
	for q := (task.DeadQuery{Queue: "in", Limit: 500}); ; {
		p, err := s.DeadLetters(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range p.Items {
			at[l.ID] = append(at[l.ID], "dead")
		}
		n += len(p.Items)
		if q.Cursor = p.Next; q.Cursor == "" {
			break
		}
	}
	if counts, err := s.DeadCounts(t.Context()); err != nil || counts["in"] != n {
		t.Errorf("%d dead letters are counted, %v; %d are there", counts["in"], err, n)
	}
	return at
}

func TestMessagesMoveExactlyOnceUnderSIGKILL(t *testing.T) {
	t.Parallel()
	kills := 60
	if testing.Short() {
		kills = 8
	}
	path := filepath.Join(t.TempDir(), "taskhost.db")
	posted, settled := map[string]bool{}, map[string]string{}
	for range kills {
		killMover(t, filepath.Dir(path), 1+rand.IntN(60), posted, settled)
		s, err := store.Open(path, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		at := where(t, s)
		for id := range posted {
			if len(at[id]) != 1 {
				t.Errorf("%s was acknowledged; it stands in %q", id, at[id])
			}
		}
		for id, queue := range settled {
			if !slices.Equal(at[id], []string{queue}) {
				t.Errorf("%s was acknowledged to be in %s; it stands in %q", id, queue, at[id])
			}
		}
		last, _ := strconv.Atoi(value(s, "a", "posted"))
		if len(at) != last {
			t.Errorf("%d messages are there; the value that was committed with the last one is %d", len(at), last)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
	if wrong, err := store.Check(t.Context(), path); err != nil || len(wrong) > 0 {
		t.Errorf("after %d kills: %q, %v", kills, wrong, err)
	}
}

// killMover lets a mover work until it has said so many lines.
func killMover(t *testing.T, dir string, lines int, posted map[string]bool, settled map[string]string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), moverDir+"="+dir)
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
		switch what, n, _ := strings.Cut(in.Text(), " "); what {
		case "posted":
			posted["m"+n] = true
		case "moved":
			settled["m"+n] = "out"
		case "buried":
			settled["m"+n] = "dead"
		default:
			t.Errorf("the mover said %q", in.Text())
		}
		if i == lines {
			cmd.Process.Kill()
		}
	}
	cmd.Wait()
}
