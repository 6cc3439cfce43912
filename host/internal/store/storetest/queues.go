package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/store"
	"github.com/taskhost/taskhost/host/internal/task"
)

var queueTests = map[string]func(*testing.T, Open){
	"messages stay as they were posted, in order":              messagesStay,
	"a write to queues is all or nothing":                      queueWriteIsWhole,
	"a write to queues of an ended run is refused":             queueWriteAfterEnd,
	"an id that a producer gave is remembered":                 idsAreRemembered,
	"what becomes of a message is kept":                        messagesAreUpdated,
	"a message that is given up becomes a dead letter":         messagesDie,
	"dead letters are listed page by page, the last one first": deadLettersArePaged,
	"dead letters are bounded":                                 deadLettersAreBounded,
	"parts that name nothing do nothing":                       partsNameNothing,
	"ends of writes are told in order":                         endsAreTold,
	"places rise and are not given out twice":                  placesRise,
	"what makes room goes only for what is added":              aDropIsForWhatIsAdded,
	"queues keep every promise under concurrent use":           queuesConcurrent,
}

// write waits for the end of a write.
func write(t *testing.T, s store.Store, w task.QueueWrite) error {
	t.Helper()
	done := make(chan error, 1)
	w.Done, w.Waiting = func(err error) { done <- err }, true
	s.WriteQueues(&w)
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		return errors.New("nobody tells how the write ended")
	}
}

func mustWrite(t *testing.T, s store.Store, w task.QueueWrite) {
	t.Helper()
	if err := write(t, s, w); err != nil {
		t.Fatalf("WriteQueues = %v", err)
	}
}

func message(queue, id, body string) *task.Message {
	return &task.Message{Queue: queue, ID: id, Posted: start, Body: json.RawMessage(body)}
}

// post puts messages of a queue, each with its id as its body, and returns their places.
func post(t *testing.T, s store.Store, queue string, ids ...string) []uint64 {
	t.Helper()
	var w task.QueueWrite
	for _, id := range ids {
		w.Put = append(w.Put, task.Put{Message: message(queue, id, fmt.Sprintf("%q", id))})
	}
	mustWrite(t, s, w)
	var places []uint64
	for _, p := range w.Put {
		places = append(places, p.Message.Seq)
	}
	return places
}

func backlog(t *testing.T, s store.Store) (all []task.Message) {
	t.Helper()
	if err := s.Backlog(t.Context(), func(m task.Message) error { all = append(all, m); return nil }); err != nil {
		t.Fatalf("Backlog = %v", err)
	}
	return all
}

func wantBacklog(t *testing.T, s store.Store, want string) {
	t.Helper()
	var ids []string
	for _, m := range backlog(t, s) {
		ids = append(ids, m.ID)
	}
	if got := strings.Join(ids, " "); got != want {
		t.Errorf("the messages are %q; want %q", got, want)
	}
}

func deadIDs(t *testing.T, s store.Store, q task.DeadQuery) string {
	t.Helper()
	p, err := s.DeadLetters(t.Context(), q)
	if err != nil {
		t.Fatalf("DeadLetters(%+v) = %v", q, err)
	}
	var ids []string
	for _, l := range p.Items {
		ids = append(ids, l.ID)
	}
	return strings.Join(ids, " ")
}

func wantDeadCounts(t *testing.T, s store.Store, want map[string]int) {
	t.Helper()
	if got, err := s.DeadCounts(t.Context()); err != nil || !cmp.Equal(got, want) {
		t.Errorf("DeadCounts = %v, %v; want %v", got, err, want)
	}
}

func bury(seqs ...uint64) (w task.QueueWrite) {
	for _, seq := range seqs {
		w.Bury = append(w.Bury, task.Burial{MessageUpdate: task.MessageUpdate{Seq: seq, Attempts: 5, LastError: "no route"}, Reason: task.DeadFailed, At: start})
	}
	return w
}

func messagesStay(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	wantBacklog(t, s, "")
	full := &task.Message{
		Queue: "urls", ID: "m1", Key: "shop é", Body: json.RawMessage("{ \"url\":\t\"<&>\\u0000\"  }"), Posted: at(3).Add(123456789),
		Source: "run 01abc", RedrivenFrom: "m0", Attempts: 2, Crashes: 1, NotBefore: at(9), LastError: "it\nfailed",
	}
	mustWrite(t, s, task.QueueWrite{Put: []task.Put{{Message: full}, {Message: message("pages", "m2", "1")}, {Message: message("urls", "m1", "2")}}})
	if full.Seq == 0 {
		t.Fatal("the message got no place")
	}
	wantBacklog(t, s, "m1 m2 m1")
	all := backlog(t, s)
	want := *full
	want.Size, want.Body = len(full.Body), nil
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Errorf("the message in the backlog (-want +got):\n%s", diff)
	}
	bodies, err := s.Bodies(t.Context(), []uint64{all[2].Seq, 7, full.Seq, all[2].Seq})
	if err != nil || len(bodies) != 4 || string(bodies[0]) != "2" || bodies[1] != nil || string(bodies[2]) != string(full.Body) || string(bodies[3]) != "2" {
		t.Errorf("Bodies = %q, %v", bodies, err)
	}
	stop := errors.New("enough")
	if err := s.Backlog(t.Context(), func(task.Message) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Backlog of somebody who has enough = %v", err)
	}
	many := task.QueueWrite{}
	for i := range 1500 {
		many.Put = append(many.Put, task.Put{Message: message("many", fmt.Sprint(i), fmt.Sprint(i))})
	}
	mustWrite(t, s, many)
	var places []uint64
	for i := range many.Put {
		places = append(places, many.Put[i].Message.Seq)
	}
	if bodies, err = s.Bodies(t.Context(), places); err != nil {
		t.Fatal(err)
	}
	for i, b := range bodies {
		if string(b) != fmt.Sprint(i) {
			t.Fatalf("body %d of many = %s", i, b)
		}
	}
	if n := len(backlog(t, s)); n != 1503 {
		t.Errorf("the backlog has %d messages; want 1503", n)
	}
	mustWrite(t, s, task.QueueWrite{Delete: places})
	wantBacklog(t, s, "m1 m2 m1")
}

func queueWriteIsWhole(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	urls := post(t, s, "urls", "in", "other")
	mustWrite(t, s, task.QueueWrite{
		Task: "a", Run: "r", Ops: []task.Op{save("x", "1"), saveRun("cursor", "7")},
		Put: []task.Put{{Message: message("pages", "out", "1")}}, Delete: urls[:1],
	})
	wantValue(t, s, "x", "1")
	wantBacklog(t, s, "other out")
	for code, bad := range map[string]task.Op{
		store.CodeNoOutput: {Kind: task.OpEmit, Output: "pages", Value: json.RawMessage("1")},
		store.CodeLimit:    save("", "1"),
		task.CodeInvalid:   {Kind: "odd", Key: "x"},
	} {
		refused(t, write(t, s, task.QueueWrite{
			Task: "a", Run: "r", Ops: []task.Op{save("x", "99"), bad}, Put: []task.Put{{Message: message("pages", "no", "1")}},
			Delete: urls, Bury: bury(urls[1]).Bury,
		}), code)
	}
	refused(t, write(t, s, task.QueueWrite{Task: "a", Ops: []task.Op{saveRun("x", "1")}, Delete: urls}), task.CodeInvalid)
	var fill []task.Op
	for i := range store.MaxKeys {
		fill = append(fill, save(fmt.Sprint("k", i), "1"))
	}
	refused(t, write(t, s, task.QueueWrite{Task: "a", Ops: fill, Put: []task.Put{{Message: message("pages", "no", "1"), RememberFor: time.Hour}}, Delete: urls}), store.CodeLimit)
	wantValue(t, s, "x", "1")
	wantValue(t, s, "k0", "")
	wantBacklog(t, s, "other out")
	wantDeadCounts(t, s, map[string]int{})
	again := task.QueueWrite{Put: []task.Put{{Message: message("pages", "no", "1"), RememberFor: time.Hour}}}
	if mustWrite(t, s, again); again.Put[0].Duplicate {
		t.Error("the id of a write that was refused is remembered")
	}
	if v, err := s.RunValues(t.Context(), "r"); err != nil || string(v["cursor"]) != "7" {
		t.Errorf("RunValues = %s, %v", v, err)
	}
}

func queueWriteAfterEnd(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	in := post(t, s, "urls", "1", "2", "3")
	s.SaveRun(liveRun("a", "r", 1))
	emit := func(id string) task.QueueWrite {
		return task.QueueWrite{Task: "a", Run: "r", Put: []task.Put{{Message: message("pages", id, "1")}}, Delete: in[:1]}
	}
	mustWrite(t, s, emit("out"))
	s.SaveRun(endedRun("a", "r", 2, task.OutcomeFailed))
	refused(t, write(t, s, emit("late")), store.CodeRunEnded)
	refused(t, write(t, s, task.QueueWrite{Task: "a", Run: "r", Ops: []task.Op{save("x", "1")}, Delete: in[1:]}), store.CodeRunEnded)
	wantBacklog(t, s, "2 3 out")
	mustWrite(t, s, task.QueueWrite{Task: "a", Run: "r", Delete: in[1:2], Update: []task.MessageUpdate{{Seq: in[2], Attempts: 1}}})
	wantBacklog(t, s, "3 out")
	settle := emit("settled")
	settle.Ops, settle.Delete, settle.Settles = []task.Op{save("x", "1")}, in[2:], true
	mustWrite(t, s, settle) // its handler was done before the run ended
	wantBacklog(t, s, "out settled")
	wantValue(t, s, "x", "1")
}

func idsAreRemembered(t *testing.T, open Open) {
	now := start
	var mu sync.Mutex
	s := begin(t, open, store.Options{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	put := func(queue, id, digest string) task.Put {
		return task.Put{Message: message(queue, id, "1"), RememberFor: time.Hour, Digest: []byte(digest)}
	}
	one := func(p task.Put) (duplicate bool, err error) {
		w := task.QueueWrite{Put: []task.Put{p}}
		err = write(t, s, w)
		return w.Put[0].Duplicate, err
	}
	expect := func(what string, p task.Put, want bool) {
		t.Helper()
		if got, err := one(p); err != nil || got != want {
			t.Errorf("%s: duplicate = %v, %v; want %v", what, got, err, want)
		}
	}
	expect("a new id", put("q", "a", "x"), false)
	expect("the same again", put("q", "a", "x"), true)
	_, err := one(put("q", "a", "y"))
	refused(t, err, task.CodeIDReused)
	expect("the same id in another queue", put("p", "a", "y"), false)
	if d, err := one(task.Put{Message: message("q", "a", "2")}); d || err != nil {
		t.Errorf("an id that was not given by a producer: %v, %v", d, err)
	}
	wantBacklog(t, s, "a a a")

	// The rest of a write goes on beside a duplicate; an id counts within its own write too.
	w := task.QueueWrite{Put: []task.Put{put("q", "b", "x"), put("q", "a", "x"), put("q", "b", "x")}, Task: "a", Ops: []task.Op{save("k", "1")}}
	mustWrite(t, s, w)
	if w.Put[0].Duplicate || !w.Put[1].Duplicate || !w.Put[2].Duplicate || w.Put[0].Message.Seq == 0 {
		t.Errorf("duplicates of a write: %v %v %v", w.Put[0].Duplicate, w.Put[1].Duplicate, w.Put[2].Duplicate)
	}
	wantValue(t, s, "k", "1")
	refused(t, write(t, s, task.QueueWrite{Put: []task.Put{put("q", "c", "x"), put("q", "c", "y")}, Task: "a", Ops: []task.Op{save("k", "2")}}), task.CodeIDReused)
	wantValue(t, s, "k", "1")
	expect("an id of a refused write", put("q", "c", "y"), false)
	wantBacklog(t, s, "a a a b c")

	// It outlives the message, and not its time.
	for _, m := range backlog(t, s) {
		mustWrite(t, s, task.QueueWrite{Delete: []uint64{m.Seq}})
	}
	expect("the id of a message that is gone", put("q", "a", "x"), true)
	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	expect("an id whose time is over, for another body", put("q", "a", "z"), false)
	expect("that one again", put("q", "a", "z"), true)

	// Many writes at once: one of each id gets in.
	var wg sync.WaitGroup
	var got [64]bool
	for i := range got {
		wg.Add(1)
		w := &task.QueueWrite{Put: []task.Put{put("race", fmt.Sprint(i%8), "x")}}
		w.Done = func(err error) {
			if err != nil {
				t.Errorf("a write in the race = %v", err)
			}
			got[i] = w.Put[0].Duplicate
			wg.Done()
		}
		s.WriteQueues(w)
	}
	wg.Wait()
	for i, duplicate := range got {
		if duplicate != (i >= 8) {
			t.Errorf("message %d in the race: duplicate = %v", i, duplicate)
		}
	}
}

func messagesAreUpdated(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	in := post(t, s, "q", "a", "b", "c")
	mustWrite(t, s, task.QueueWrite{Update: []task.MessageUpdate{{Seq: in[1], Attempts: 1}, {Seq: in[0], Attempts: 3, Crashes: 1, NotBefore: at(60), LastError: "no"}, {Seq: in[1], Attempts: 2}}})
	mustWrite(t, s, task.QueueWrite{Delete: in[2:], Update: []task.MessageUpdate{{Seq: in[2], Attempts: 9}}})
	all := backlog(t, s)
	if len(all) != 2 || all[0].Attempts != 3 || all[0].Crashes != 1 || !all[0].NotBefore.Equal(at(60)) || all[0].LastError != "no" || all[1].Attempts != 2 {
		t.Errorf("the messages are %+v", all)
	}
	mustWrite(t, s, task.QueueWrite{Update: []task.MessageUpdate{{Seq: in[0]}}})
	if m := backlog(t, s)[0]; m.Attempts != 0 || m.LastError != "" || !m.NotBefore.IsZero() {
		t.Errorf("the message is %+v; want it as new", m)
	}
}

func messagesDie(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	in := post(t, s, "q", "a", "b", "c")
	other := post(t, s, "p", "a")
	mustWrite(t, s, task.QueueWrite{
		Bury: []task.Burial{{
			MessageUpdate: task.MessageUpdate{Seq: in[0], Attempts: 4, Crashes: 2, NotBefore: at(1), LastError: "boom"}, Reason: task.DeadCrashed, At: at(7),
		}},
		Put: []task.Put{{Message: message("q", "d", "1")}},
	})
	p, err := s.DeadLetters(t.Context(), task.DeadQuery{Queue: "q"})
	if err != nil || len(p.Items) != 1 || p.Next != "" {
		t.Fatalf("DeadLetters = %+v, %v", p, err)
	}
	want := task.DeadLetter{Message: *message("q", "a", `"a"`), Reason: task.DeadCrashed, Died: at(7)}
	want.Attempts, want.Crashes, want.NotBefore, want.LastError, want.Size, want.Seq = 4, 2, at(1), "boom", 3, p.Items[0].Seq
	if diff := cmp.Diff(want, p.Items[0]); diff != "" {
		t.Errorf("the dead letter (-want +got):\n%s", diff)
	}
	wantBacklog(t, s, "b c a d")
	mustWrite(t, s, bury(in[2], other[0], in[1]))
	wantBacklog(t, s, "d")
	if got := deadIDs(t, s, task.DeadQuery{Queue: "q"}); got != "b c a" {
		t.Errorf("the dead letters are %s; want b c a, in the order of their deaths", got)
	}
	wantDeadCounts(t, s, map[string]int{"q": 3, "p": 1})

	// Redrive: a new message for a dead letter, in one write.
	old := p.Items[0]
	again := message("q", "new", string(old.Body))
	again.RedrivenFrom = old.ID
	mustWrite(t, s, task.QueueWrite{Put: []task.Put{{Message: again}}, Exhume: []uint64{old.Seq, old.Seq, 12345}})
	wantBacklog(t, s, "d new")
	wantDeadCounts(t, s, map[string]int{"q": 2, "p": 1})
	if got := deadIDs(t, s, task.DeadQuery{Queue: "q"}); got != "b c" {
		t.Errorf("the dead letters are %s; want b c", got)
	}
}

func deadLettersArePaged(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	var ids []string
	for i := range 25 {
		ids = append(ids, fmt.Sprintf("%02d", i))
	}
	in := post(t, s, "q", ids...)
	mustWrite(t, s, bury(in...))
	mustWrite(t, s, bury(post(t, s, "p", "elsewhere")...))
	slices.Reverse(ids)
	var got []string
	q := task.DeadQuery{Queue: "q", Limit: 10}
	for pages := 1; ; pages++ {
		p, err := s.DeadLetters(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range p.Items {
			got = append(got, l.ID)
		}
		mustWrite(t, s, bury(post(t, s, "q", fmt.Sprint("later", pages))...))
		if q.Cursor = p.Next; q.Cursor == "" {
			break
		}
	}
	if diff := cmp.Diff(ids, got); diff != "" {
		t.Errorf("page by page (-want +got):\n%s", diff)
	}
	if got := deadIDs(t, s, task.DeadQuery{Queue: "q", IDs: []string{"03", "elsewhere", "17", "later1", "03"}}); got != "later1 17 03" {
		t.Errorf("by their ids: %s", got)
	}
	if got := deadIDs(t, s, task.DeadQuery{Queue: "nobody"}); got != "" {
		t.Errorf("of an unknown queue: %s", got)
	}
	p, err := s.DeadLetters(t.Context(), task.DeadQuery{Queue: "q", Limit: 3})
	if err != nil || p.Next == "" {
		t.Fatalf("a first page = %+v, %v", p, err)
	}
	for _, q := range []task.DeadQuery{
		{Queue: "p", Cursor: p.Next}, {Queue: "q", IDs: []string{"03"}, Cursor: p.Next}, {Queue: "q", Cursor: "x"}, {Queue: "q", Limit: 501}, {Queue: "q", Limit: -1},
		{Queue: "q", IDs: make([]string, 501)},
	} {
		_, err := s.DeadLetters(t.Context(), q)
		refused(t, err, task.CodeInvalid)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.DeadLetters(ctx, task.DeadQuery{Queue: "q"}); !errors.Is(err, context.Canceled) {
		t.Errorf("DeadLetters with an ended context = %v", err)
	}

	// Large bodies make a page short, and nothing is left out.
	large := `"` + strings.Repeat("x", 900_000) + `"`
	var w task.QueueWrite
	for i := range 20 {
		w.Put = append(w.Put, task.Put{Message: message("large", fmt.Sprint(i), large)})
	}
	mustWrite(t, s, w)
	var all []uint64
	for _, p := range w.Put {
		all = append(all, p.Message.Seq)
	}
	mustWrite(t, s, bury(all...))
	n := 0
	for q := (task.DeadQuery{Queue: "large"}); ; {
		p, err := s.DeadLetters(t.Context(), q)
		if err != nil || len(p.Items) == 0 || len(p.Items) > 12 {
			t.Fatalf("a page of large ones has %d, %v", len(p.Items), err)
		}
		n += len(p.Items)
		if q.Cursor = p.Next; q.Cursor == "" {
			break
		}
	}
	if n != 20 {
		t.Errorf("%d of 20 large dead letters are found", n)
	}
}

func deadLettersAreBounded(t *testing.T, open Open) {
	now := start
	var mu sync.Mutex
	s := begin(t, open, store.Options{Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}})
	pass := func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
	}
	var ids []string
	for i := range 50 {
		ids = append(ids, fmt.Sprint(i))
	}
	mustWrite(t, s, bury(post(t, s, "q", ids...)...))
	mustWrite(t, s, bury(post(t, s, "free", ids...)...))
	soonDead := func(queue, want string) {
		t.Helper()
		soon(t, func() error {
			if got := deadIDs(t, s, task.DeadQuery{Queue: queue}); got != want {
				return fmt.Errorf("dead letters of %s: %s; want %s", queue, got, want)
			}
			return nil
		})
	}
	s.SetQueue("q", task.DeadLetters{Max: 3, Age: time.Hour})
	soonDead("q", "49 48 47")
	mustWrite(t, s, bury(post(t, s, "q", "x", "y")...))
	soonDead("q", "y x 49")
	wantDeadCounts(t, s, map[string]int{"q": 3, "free": 50})
	pass(50 * time.Minute)
	mustWrite(t, s, bury(post(t, s, "q", "z")...))
	soonDead("q", "z y x")
	pass(11 * time.Minute)
	s.SetQueue("q", task.DeadLetters{Max: 4, Age: time.Hour})
	soonDead("q", "z")
	wantDeadCounts(t, s, map[string]int{"q": 1, "free": 50})
	pass(time.Hour)
	s.SaveStatus(task.Status{Task: "a"}) // time is looked at when something happens
	soonDead("q", "")
}

func partsNameNothing(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	in := post(t, s, "q", "a", "b", "c", "d")
	mustWrite(t, s, task.QueueWrite{})
	mustWrite(t, s, task.QueueWrite{Delete: []uint64{99}, Update: []task.MessageUpdate{{Seq: 99, Attempts: 1}}, Bury: bury(99).Bury, Exhume: []uint64{99}})
	mustWrite(t, s, task.QueueWrite{Delete: in[:1], Bury: bury(in[0], in[1], in[1]).Bury, Update: []task.MessageUpdate{{Seq: in[1], Attempts: 1}}})
	mustWrite(t, s, task.QueueWrite{Delete: in[:2], Exhume: in})
	// Writes side by side: what the first takes away is not there for the second.
	var wg sync.WaitGroup
	for _, w := range []*task.QueueWrite{{Delete: in[2:3]}, {Bury: bury(in[2]).Bury}, {Bury: bury(in[3]).Bury}, {Delete: in[3:]}} {
		wg.Add(1)
		w.Done = func(err error) {
			if err != nil {
				t.Errorf("WriteQueues = %v", err)
			}
			wg.Done()
		}
		s.WriteQueues(w)
	}
	wg.Wait()
	wantBacklog(t, s, "")
	if got := deadIDs(t, s, task.DeadQuery{Queue: "q"}); got != "d b" {
		t.Errorf("the dead letters are %q; want d b", got)
	}
	wantDeadCounts(t, s, map[string]int{"q": 2})
}

func endsAreTold(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	var mine sync.Mutex // held by the caller: whoever called back within WriteQueues would stand still
	var order []int
	var speaking int
	var wg sync.WaitGroup
	mine.Lock()
	for i := range 200 {
		wg.Add(1)
		w := &task.QueueWrite{Put: []task.Put{{Message: message("q", fmt.Sprint(i), "1")}}, Waiting: i%3 == 0}
		w.Done = func(err error) {
			defer wg.Done()
			mine.Lock()
			defer mine.Unlock()
			if speaking++; speaking != len(order)+1 || err != nil {
				t.Errorf("write %d: %v", i, err)
			}
			if m := w.Put[0].Message; m.Seq == 0 {
				t.Errorf("write %d has ended, and its message has no place", i)
			}
			order = append(order, i)
		}
		s.WriteQueues(w)
	}
	mine.Unlock()
	wg.Wait()
	if !slices.IsSorted(order) || len(order) != 200 {
		t.Errorf("the ends of %d writes were told in the order %v", len(order), order)
	}
	s.WriteQueues(&task.QueueWrite{Put: []task.Put{{Message: message("q", "nobody asks", "1")}}})
	soon(t, func() error {
		if n := len(backlog(t, s)); n != 201 {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	})
}

// aDropIsForWhatIsAdded deletes what makes room only when something is added there.
func aDropIsForWhatIsAdded(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	in := post(t, s, "q", "a", "b", "c")
	more := post(t, s, "r", "d")
	once := func(queue string) task.Put {
		return task.Put{Message: message(queue, "once", "1"), RememberFor: time.Hour, Digest: []byte("1")}
	}
	add := func() error {
		return write(t, s, task.QueueWrite{Put: []task.Put{once("q")}, Drop: []task.Drop{{Queue: "q", Seqs: in[:1]}}})
	}
	if err := add(); err != nil {
		t.Fatal(err)
	}
	wantBacklog(t, s, "b c d once")
	in = in[1:]
	if err := add(); err != nil {
		t.Fatal(err)
	}
	wantBacklog(t, s, "b c d once")
	mustWrite(t, s, task.QueueWrite{
		Put:  []task.Put{once("q"), once("r")},
		Drop: []task.Drop{{Queue: "q", Seqs: in}, {Queue: "r", Seqs: more}},
	})
	wantBacklog(t, s, "b c once once")
}

func placesRise(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	last := uint64(0)
	for i := range 20 {
		in := post(t, s, "q", "a", "b")
		for _, seq := range in {
			if seq <= last {
				t.Fatalf("place %d follows %d", seq, last)
			}
			last = seq
		}
		w := bury(in[0])
		w.Delete = in[1:]
		mustWrite(t, s, w)
		if p, err := s.DeadLetters(t.Context(), task.DeadQuery{Queue: "q", Limit: 1}); err != nil || p.Items[0].Seq <= last {
			t.Fatalf("round %d: the dead letter stands at %d, %v; its message stood at %d", i, p.Items[0].Seq, err, in[0])
		} else {
			last = p.Items[0].Seq
		}
	}
}

// queuesConcurrent moves messages from queue to queue by several hands, while others read. None is lost or doubled.
func queuesConcurrent(t *testing.T, open Open) {
	s := begin(t, open, store.Options{})
	const hands, each = 4, 50
	var wg sync.WaitGroup
	for h := range hands {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprint(h, "-", i)
				w := task.QueueWrite{Put: []task.Put{{Message: message("in", id, fmt.Sprintf("%q", id)), RememberFor: time.Hour}}}
				if err := write(t, s, w); err != nil {
					t.Errorf("WriteQueues = %v", err)
					return
				}
				seq := w.Put[0].Message.Seq
				s.WriteQueues(&task.QueueWrite{Update: []task.MessageUpdate{{Seq: seq, Attempts: 1}}})
				bodies, err := s.Bodies(context.Background(), []uint64{seq})
				if err != nil || string(bodies[0]) != fmt.Sprintf("%q", id) {
					t.Errorf("the body of %s = %s, %v", id, bodies, err)
				}
				next := bury(seq)
				if i%10 != 0 {
					next = task.QueueWrite{
						Task: fmt.Sprint("t", h), Ops: []task.Op{save("n", fmt.Sprint(i))},
						Put: []task.Put{{Message: message("out", id, string(bodies[0])), RememberFor: time.Hour}}, Delete: []uint64{seq},
					}
				}
				if err := write(t, s, next); err != nil {
					t.Errorf("WriteQueues = %v", err)
				}
			}
		})
	}
	stop := make(chan struct{})
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			seen := map[string]bool{}
			err := s.Backlog(context.Background(), func(m task.Message) error {
				if key := m.Queue + " " + m.ID; seen[key] {
					t.Errorf("%s is there twice", key)
				} else {
					seen[key] = true
				}
				return nil
			})
			if err != nil {
				t.Errorf("Backlog = %v", err)
			}
			if _, err := s.DeadLetters(context.Background(), task.DeadQuery{Queue: "in"}); err != nil {
				t.Errorf("DeadLetters = %v", err)
			}
		}
	})
	wg.Wait()
	close(stop)
	reader.Wait()
	out := map[string]int{}
	for _, m := range backlog(t, s) {
		if m.Queue != "out" {
			t.Errorf("%s is still in %s", m.ID, m.Queue)
		}
		out[m.ID]++
	}
	if len(out) != hands*each*9/10 {
		t.Errorf("%d messages came out; want %d", len(out), hands*each*9/10)
	}
	wantDeadCounts(t, s, map[string]int{"in": hands * each / 10})
}
