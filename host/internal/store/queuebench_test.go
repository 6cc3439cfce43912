package store

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// BenchmarkQueue is a message of 512 bytes that is put, waited for, and deleted, with writers side by side. Nobody
// waits for the delete, as nobody does when a message was handled; with "both waited" the writer waits for it too.
func BenchmarkQueue(b *testing.B) {
	for _, c := range []struct {
		name     string
		remember time.Duration
		both     bool
	}{{"put waited", 0, false}, {"put waited, id remembered", time.Hour, false}, {"both waited", 0, true}} {
		for _, writers := range []int{1, 8, 32, 256} {
			b.Run(fmt.Sprintf("%s/%d writers", c.name, writers), func(b *testing.B) { benchQueue(b, writers, c.remember, c.both) })
		}
	}
}

func benchQueue(b *testing.B, writers int, remember time.Duration, both bool) {
	s, err := Open(filepath.Join(b.TempDir(), "taskhost.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	body := fmt.Appendf(nil, `"%s"`, bytes.Repeat([]byte("x"), 510))
	ids := make([]string, b.N)
	for i := range ids {
		ids[i] = task.NewID(time.Now())
	}
	digest := make([]byte, 32)
	var deletes, all sync.WaitGroup
	b.ResetTimer()
	for w := range writers {
		all.Go(func() {
			done := make(chan error, 1)
			for i := w; i < b.N; i += writers {
				m := &task.Message{Queue: "q", ID: ids[i], Posted: time.Now(), Source: "admin", Body: body}
				s.WriteQueues(&task.QueueWrite{Put: []task.Put{{Message: m, RememberFor: remember, Digest: digest}}, Waiting: true, Done: func(err error) { done <- err }})
				if err := <-done; err != nil {
					b.Error(err)
					return
				}
				gone := &task.QueueWrite{Delete: []uint64{m.Seq}, Waiting: true, Done: func(error) { deletes.Done() }}
				deletes.Add(1)
				if both {
					gone.Done = func(err error) { deletes.Done(); done <- err }
				}
				s.WriteQueues(gone)
				if both {
					<-done
				}
			}
		})
	}
	all.Wait()
	deletes.Wait()
	b.ReportMetric(2*float64(b.N)/float64(readAcked(s.path)), "parts/commit")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pairs/s")
}
