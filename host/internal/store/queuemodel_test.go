package store

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/task"
)

// queueModel does the same to both engines. Their places differ: a message is named by when it was put.
type queueModel struct {
	rt      *rapid.T
	dir     string
	path    string
	clock   atomic.Int64 // unix nanoseconds; the store looks at it from its own goroutine
	durable *SQLite
	memory  *Memory
	places  [2][]uint64 // of everything that was put, by engine
	dead    [2][]uint64 // of every dead letter that was seen
	n       int
}

// TestQueuesAreThoseOfMemory writes at random, reopens, and goes on from the files as a killed host leaves them.
func TestQueuesAreThoseOfMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		m := &queueModel{rt: rt, dir: dir}
		m.clock.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
		m.memory = NewMemory(m.options())
		m.path = filepath.Join(dir, "0.db")
		m.open()
		defer func() { m.durable.Close() }()
		for _, s := range []Store{m.durable, m.memory} {
			s.SetQueue("q0", task.DeadLetters{Max: 3})
		}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				m.close()
				m.open()
			case 1:
				m.kill()
			case 2:
				m.clock.Add(int64(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(rt, "later")))
			default:
				m.write()
			}
			m.compare()
		}
		m.close()
		if wrong, err := Check(t.Context(), m.path); err != nil || len(wrong) > 0 {
			rt.Errorf("Check = %q, %v", wrong, err)
		}
	})
}

func (m *queueModel) options() Options {
	return Options{Now: m.now}
}

func (m *queueModel) now() time.Time { return time.Unix(0, m.clock.Load()).UTC() }

func (m *queueModel) open() {
	s, err := open(m.path, m.options(), impatient)
	if err != nil {
		m.rt.Fatal(err)
	}
	m.durable = s
	s.SetQueue("q0", task.DeadLetters{Max: 3})
}

func (m *queueModel) close() {
	if err := m.durable.Close(); err != nil {
		m.rt.Fatal(err)
	}
}

// kill goes on with copies of the files as they lie there.
func (m *queueModel) kill() {
	m.n++
	to := filepath.Join(m.dir, fmt.Sprint(m.n, ".db"))
	for _, suffix := range []string{"-acked", "", "-wal"} {
		b, err := os.ReadFile(m.path + suffix)
		if err == nil {
			err = os.WriteFile(to+suffix, b, 0o600)
		}
		if err != nil {
			m.rt.Fatal(err)
		}
	}
	m.close()
	m.path = to
	m.open()
}

// write makes up a few writes and gives them to both, to the durable one side by side.
func (m *queueModel) write() {
	count := rapid.IntRange(1, 4).Draw(m.rt, "writes")
	var writes [2][]*task.QueueWrite
	var ends [2][]chan error
	for range count {
		for engine, w := range m.makeUp() {
			end := make(chan error, 1)
			w.Done = func(err error) { end <- err }
			writes[engine], ends[engine] = append(writes[engine], w), append(ends[engine], end)
		}
	}
	for i := range count {
		m.durable.WriteQueues(writes[0][i])
		m.memory.WriteQueues(writes[1][i])
	}
	for i := range count {
		got, want := <-ends[0][i], <-ends[1][i]
		if fmt.Sprint(got) != fmt.Sprint(want) {
			m.rt.Fatalf("write %d: %v, in memory %v", i, got, want)
		}
		for p := range writes[0][i].Put {
			a, b := writes[0][i].Put[p], writes[1][i].Put[p]
			if a.Duplicate != b.Duplicate || (a.Message.Seq == 0) != (b.Message.Seq == 0) {
				m.rt.Fatalf("message %d of write %d: duplicate %v at %d, in memory %v at %d", p, i, a.Duplicate, a.Message.Seq, b.Duplicate, b.Message.Seq)
			}
			if a.Message.Seq != 0 {
				m.places[0], m.places[1] = append(m.places[0], a.Message.Seq), append(m.places[1], b.Message.Seq)
			}
		}
	}
}

// makeUp draws one write, for either engine.
func (m *queueModel) makeUp() [2]*task.QueueWrite {
	rt := m.rt
	var ws [2]*task.QueueWrite
	for i := range ws {
		ws[i] = &task.QueueWrite{Task: "t"}
	}
	for range rapid.IntRange(0, 4).Draw(rt, "put") {
		id := fmt.Sprint("m", rapid.IntRange(0, 9).Draw(rt, "id"))
		queue := fmt.Sprint("q", rapid.IntRange(0, 1).Draw(rt, "queue"))
		body := rapid.SampledFrom([]string{`{ "a": 1 }`, `"b"`, `[]`}).Draw(rt, "body")
		keep := rapid.SampledFrom([]time.Duration{0, time.Minute, 2 * time.Hour}).Draw(rt, "keep")
		for i := range ws {
			ws[i].Put = append(ws[i].Put, task.Put{
				Message: &task.Message{Queue: queue, ID: id, Body: []byte(body), Posted: m.now()}, RememberFor: keep, Digest: []byte(body),
			})
		}
	}
	some := func(what string, of [2][]uint64, add func(w *task.QueueWrite, seq uint64)) {
		for range rapid.IntRange(0, 2).Draw(rt, what) {
			if len(of[0]) == 0 {
				return
			}
			which := rapid.IntRange(0, len(of[0])-1).Draw(rt, "which")
			for i := range ws {
				add(ws[i], of[i][which])
			}
		}
	}
	update := func(seq uint64) task.MessageUpdate {
		return task.MessageUpdate{Seq: seq, Attempts: len(m.places[0]), NotBefore: m.now(), LastError: "no"}
	}
	some("delete", m.places, func(w *task.QueueWrite, seq uint64) { w.Delete = append(w.Delete, seq) })
	some("update", m.places, func(w *task.QueueWrite, seq uint64) { w.Update = append(w.Update, update(seq)) })
	some("bury", m.places, func(w *task.QueueWrite, seq uint64) {
		w.Bury = append(w.Bury, task.Burial{MessageUpdate: update(seq), Reason: task.DeadFailed, At: m.now()})
	})
	some("exhume", m.dead, func(w *task.QueueWrite, seq uint64) { w.Exhume = append(w.Exhume, seq) })
	if rapid.IntRange(0, 4).Draw(rt, "ops") == 0 {
		key := fmt.Sprint("k", rapid.IntRange(0, 3).Draw(rt, "key"))
		bad := rapid.IntRange(0, 3).Draw(rt, "bad") == 0
		for i := range ws {
			ws[i].Ops = append(ws[i].Ops, task.Op{Kind: task.OpSave, Key: key, Value: fmt.Append(nil, len(m.places[0]))})
			if bad {
				ws[i].Ops = append(ws[i].Ops, task.Op{Kind: task.OpEmit, Output: "o"})
			}
		}
	}
	return ws
}

// content is what a store holds, without places.
type content struct {
	Messages []task.Message
	Dead     map[string][]task.DeadLetter
	Counts   map[string]int
	Values   map[string]string
}

// compare allows for a few transactions: what is over a bound is forgotten in the same one or, where that takes long, soon.
func (m *queueModel) compare() {
	diff := "-"
	for tries := 0; diff != "" && tries < 20; tries++ {
		if err := m.durable.Flush(m.rt.Context()); err != nil {
			m.rt.Fatal(err)
		}
		m.dead = [2][]uint64{}
		got, want := m.content(0, m.durable), m.content(1, m.memory)
		diff = cmp.Diff(want, got, cmpopts.IgnoreFields(task.Message{}, "Seq"), cmpopts.EquateEmpty())
	}
	if diff != "" {
		m.rt.Fatalf("(-memory +durable):\n%s", diff)
	}
}

func (m *queueModel) content(engine int, s Store) content {
	c := content{Dead: map[string][]task.DeadLetter{}, Values: map[string]string{}}
	ctx := m.rt.Context()
	var places []uint64
	err := s.Backlog(ctx, func(one task.Message) error {
		c.Messages = append(c.Messages, one)
		places = append(places, one.Seq)
		return nil
	})
	if err != nil {
		m.rt.Fatal(err)
	}
	bodies, err := s.Bodies(ctx, places)
	if err != nil {
		m.rt.Fatal(err)
	}
	for i := range bodies {
		c.Messages[i].Body = bodies[i]
	}
	for _, queue := range []string{"q0", "q1"} {
		for q := (task.DeadQuery{Queue: queue, Limit: 2}); ; {
			p, err := s.DeadLetters(ctx, q)
			if err != nil {
				m.rt.Fatal(err)
			}
			c.Dead[queue] = append(c.Dead[queue], p.Items...)
			for _, l := range p.Items {
				m.dead[engine] = append(m.dead[engine], l.Seq)
			}
			if q.Cursor = p.Next; q.Cursor == "" {
				break
			}
		}
	}
	if c.Counts, err = s.DeadCounts(ctx); err != nil {
		m.rt.Fatal(err)
	}
	all, err := s.Checkpoints(ctx, "t")
	if err != nil {
		m.rt.Fatal(err)
	}
	for key, v := range all {
		c.Values[key] = string(v.Value)
	}
	return c
}
