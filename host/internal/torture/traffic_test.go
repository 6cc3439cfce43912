package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/torture/check"
	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// traffic posts messages to a queue, whatever happens to the host, and remembers what was acknowledged.
type traffic struct {
	t      *testing.T
	end    context.CancelFunc
	worker sync.WaitGroup

	mu   sync.Mutex
	done []check.Post
}

const posters = 3

func startTraffic(t *testing.T, socket string, seed uint64) *traffic {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	tr := &traffic{t: t, end: cancel}
	t.Cleanup(tr.stop)
	for i := range posters {
		client, err := admin.New("unix:"+socket, admin.Options{})
		if err != nil {
			t.Fatal(err)
		}
		dice := rand.New(rand.NewPCG(seed, uint64(i)))
		tr.worker.Go(func() {
			defer client.Close()
			tr.run(ctx, client, fmt.Sprint("post-", i, "/"), dice)
		})
	}
	return tr
}

// stop ends the traffic. A message that is under way then is posted no more, and nobody knows of it.
func (tr *traffic) stop() {
	tr.end()
	tr.worker.Wait()
}

func (tr *traffic) posts() []check.Post { return tr.done }

func (tr *traffic) run(ctx context.Context, client *admin.Client, prefix string, dice *rand.Rand) {
	for n := 1; ctx.Err() == nil; n++ {
		name := fmt.Sprint(prefix, n)
		if dice.IntN(40) == 0 {
			name = "poison-" + name
		}
		p := tr.post(ctx, client, name)
		tr.mu.Lock()
		tr.done = append(tr.done, p)
		tr.mu.Unlock()
		pause(ctx, time.Duration(dice.IntN(60))*time.Millisecond)
	}
}

// post posts one message until it is acknowledged. What was not answered is posted again under the same id.
func (tr *traffic) post(ctx context.Context, client *admin.Client, name string) check.Post {
	p := check.Post{Name: name, Began: journal.Now()}
	value, err := json.Marshal(journal.NewValue(name))
	if err != nil {
		tr.t.Error(err)
		return p
	}
	for ctx.Err() == nil {
		p.Tries++
		answer, err := client.Post(ctx, "in", value, admin.PostOptions{ID: name})
		if err == nil {
			p.Acked, p.Known, p.Answered = true, answer.Duplicate, journal.Now()
			if answer.ID != name {
				tr.t.Errorf("message %s was posted and message %s acknowledged", name, answer.ID)
			}
			return p
		}
		if problem := admin.AsProblem(err); problem != nil && problem.Status < 500 && problem.Status != 429 {
			tr.t.Errorf("post %s: %v", name, err)
			return p
		}
		pause(ctx, 30*time.Millisecond)
	}
	return p
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
