package logs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/task"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func open(t testing.TB, dir string, o Options) *Logs {
	t.Helper()
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return l
}

func line(i int) task.LogLine {
	return task.LogLine{At: start.Add(time.Duration(i) * time.Second), Level: "info", Stream: "stderr", Message: fmt.Sprint("line ", i)}
}

func write(l *Logs, name string, from, to int) {
	sink := l.Sink(name)
	for i := from; i < to; i++ {
		sink.Line(line(i))
	}
}

func page(t testing.TB, l *Logs, q Query) Page {
	t.Helper()
	p, err := l.Page(context.Background(), q)
	if err != nil {
		t.Fatalf("Page(%+v) = %v", q, err)
	}
	return p
}

func texts(items []Record) string {
	var all []string
	for _, r := range items {
		if r.Gap > 0 {
			all = append(all, fmt.Sprintf("gap%d", r.Gap))
			continue
		}
		all = append(all, strings.TrimPrefix(r.Message, "line "))
	}
	return strings.Join(all, " ")
}

func TestLinesComeBackWithRisingPositions(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), Options{})
	full := task.LogLine{At: start, Level: "warn", Stream: "log", Run: "r1", Message: "hello <b> & \u2028", Fields: json.RawMessage("{\"n\":\n 1}")}
	l.Sink("check.WWW.example").Line(full)
	write(l, "check.WWW.example", 1, 5)
	p := page(t, l, Query{Task: "check.WWW.example"})
	if len(p.Items) != 5 || p.More {
		t.Fatalf("%d records, more %v", len(p.Items), p.More)
	}
	full.Fields = json.RawMessage(`{"n":1}`)
	if diff := cmp.Diff(full, p.Items[0].LogLine); diff != "" {
		t.Errorf("the line (-want +got):\n%s", diff)
	}
	for i, r := range p.Items {
		if r.Pos != p.Items[0].Pos+uint64(i) {
			t.Errorf("position %d is %d; the first is %d", i, r.Pos, p.Items[0].Pos)
		}
	}
	if p.Next != strconv.FormatUint(p.Items[4].Pos, 10) {
		t.Errorf("Next = %s", p.Next)
	}
	if more := page(t, l, Query{Task: "check.WWW.example", After: p.Next}); len(more.Items) != 0 || more.Next != p.Next {
		t.Errorf("after the end: %+v", more)
	}
}

func TestAnEmptyLogIsNoError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, Options{})
	if p := page(t, l, Query{Task: "never"}); len(p.Items) != 0 || p.Next != "" {
		t.Errorf("page = %+v", p)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("reading made %v", files)
	}
}

func TestNamesThatAreNoTaskNeverReachTheDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, filepath.Join(dir, "logs"), Options{})
	for _, name := range []string{"", ".", "..", "../x", "/etc", "a/b", "a\x00b", "A", "a.", "a..", strings.Repeat("a", 300)} {
		l.Sink(name).Line(line(1))
		l.SetQuota(name, 1)
		if _, err := l.Page(t.Context(), Query{Task: name}); err == nil {
			t.Errorf("Page(%q) is no error", name)
		}
		if _, err := l.Follow(t.Context(), Query{Task: name}); err == nil {
			t.Errorf("Follow(%q) is no error", name)
		}
		if err := l.Remove(name); err == nil {
			t.Errorf("Remove(%q) is no error", name)
		}
	}
	if err := os.Symlink(dir, filepath.Join(dir, "logs", "out")); err != nil {
		t.Fatal(err)
	}
	l.Sink("out").Line(line(1))
	if _, err := l.Page(t.Context(), Query{Task: "out"}); err == nil {
		t.Error("a link out of the directory was followed")
	}
	if err := l.Remove("out"); err != nil {
		t.Errorf("removing the link = %v", err)
	}
	found, err := os.ReadDir(dir)
	if err != nil || len(found) != 1 {
		t.Errorf("the directory holds %v, %v; want only logs", found, err)
	}
}

func TestQueriesSelect(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), Options{})
	sink := l.Sink("a")
	for i, level := range []string{"debug", "info", "warn", "error", "odd"} {
		r := line(i)
		r.Level, r.Run = level, []string{"r1", "r2"}[i%2]
		if i == 3 {
			r.Fields = json.RawMessage(`{"err":"No Route"}`)
		}
		sink.Line(r)
	}
	first := page(t, l, Query{Task: "a"}).Items[0].Pos
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{}, "0 1 2 3 4"},
		{Query{Level: "warn"}, "2 3"},
		{Query{Level: "info"}, "1 2 3 4"},
		{Query{Run: "r2"}, "1 3"},
		{Query{Run: "r"}, ""},
		{Query{Run: "r1\"x"}, ""},
		{Query{Grep: "LINE 2"}, "2"},
		{Query{Grep: "no route"}, "3"},
		{Query{Grep: "(?i)NO .oute|^line [2]"}, "2 3"},
		{Query{Since: start.Add(3 * time.Second)}, "3 4"},
		{Query{Tail: 2}, "3 4"},
		{Query{Tail: 2, Run: "r1"}, "2 4"},
		{Query{Tail: 9, Since: start.Add(2 * time.Second)}, "2 3 4"},
		{Query{Tail: 9, After: fmt.Sprint(first + 2)}, "3 4"},
		{Query{After: fmt.Sprint(first + 1), Limit: 2}, "2 3"},
		{Query{After: fmt.Sprint(first + 100)}, ""},
	} {
		c.q.Task = "a"
		if got := texts(page(t, l, c.q).Items); got != c.want {
			t.Errorf("%+v = %s; want %s", c.q, got, c.want)
		}
	}
	for _, q := range []Query{{Level: "loud"}, {Grep: "("}, {After: "x"}, {After: "-1"}, {Limit: 1001}, {Limit: -1}, {Tail: -1}, {Tail: 10_001}} {
		q.Task = "a"
		var refusal *task.Error
		if _, err := l.Page(t.Context(), q); !errors.As(err, &refusal) || refusal.Code != task.CodeInvalid || refusal.Remedy == "" {
			t.Errorf("Page(%+v) = %v; want a refusal with a remedy", q, err)
		}
	}
}

// size is how many bytes and files a task's log takes.
func size(t testing.TB, dir, name string) (bytes int64, files int) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		bytes += info.Size()
		files++
	}
	return bytes, files
}

func TestRotationKeepsTheQuotaAndThePositions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, Options{Quota: 16 << 10, Queue: 4 << 20})
	write(l, "a", 0, 1)
	first := page(t, l, Query{Task: "a"}).Items[0].Pos
	write(l, "a", 1, 2000)
	p := page(t, l, Query{Task: "a", Tail: 1})
	if got := texts(p.Items); got != "1999" || p.Items[0].Pos != first+1999 {
		t.Errorf("the last line is %s at %d; want 1999 at %d", got, p.Items[0].Pos, first+1999)
	}
	if bytes, files := size(t, dir, "a"); bytes > 16<<10 || files < 3 || files > 4 {
		t.Errorf("%d bytes in %d files; want at most 16 KiB in 4", bytes, files)
	}
	all := page(t, l, Query{Task: "a", Limit: 1000}).Items
	for i := range all[1:] {
		if all[i+1].Pos != all[i].Pos+1 {
			t.Fatalf("position %d follows %d", all[i+1].Pos, all[i].Pos)
		}
	}
	gone := page(t, l, Query{Task: "a", After: fmt.Sprint(first)}).Items
	if want := int64(all[0].Pos - first - 1); gone[0].Gap != want || gone[1].Pos != all[0].Pos || gone[0].Pos != all[0].Pos-1 {
		t.Errorf("after a place that was rotated away: %+v; want a gap of %d", gone[0], want)
	}
	l.SetQuota("a", 4<<10)
	if bytes, _ := size(t, dir, "a"); bytes > 8<<10 {
		t.Errorf("%d bytes after a smaller quota", bytes)
	}
	l.SetQuota("a", 0)
	write(l, "a", 2000, 4000)
	if got := page(t, l, Query{Task: "a", After: p.Next, Limit: 1000}).Items; len(got) != 1000 || got[0].Gap != 0 {
		t.Errorf("without a bound %d lines are left, the first %+v", len(got), got[0])
	}
}

func TestReopenedLogGoesOnAfterATornLine(t *testing.T) {
	t.Parallel()
	for _, rotated := range []bool{false, true} {
		dir := t.TempDir()
		l := open(t, dir, Options{Quota: 2 << 10})
		write(l, "a", 0, 30)
		before := page(t, l, Query{Task: "a", Tail: 1}).Items[0]
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		current := filepath.Join(dir, "a", "current.jsonl")
		if rotated {
			if err := os.Truncate(current, 0); err != nil {
				t.Fatal(err)
			}
		}
		f, err := os.OpenFile(current, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString("garbage\n{\"pos\":9999999999999999999999,\"x\":1}\n{\"pos\":12345")
		f.Close()
		l = open(t, dir, Options{Quota: 2 << 10})
		write(l, "a", 30, 32)
		got := page(t, l, Query{Task: "a", Tail: 2}).Items
		if texts(got) != "30 31" || got[1].Pos != got[0].Pos+1 {
			t.Errorf("after reopening: %+v", got)
		}
		if !rotated && got[0].Pos != before.Pos+1 || got[0].Pos <= before.Pos-30 {
			t.Errorf("position %d follows %d", got[0].Pos, before.Pos)
		}
	}
}

func TestPositionsNeverComeTwiceAfterTheFilesWereDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, Options{})
	last := uint64(0)
	for i, destroy := range []func() error{
		func() error { return os.RemoveAll(filepath.Join(dir, "a")) },
		func() error { return os.Remove(filepath.Join(dir, "a", "current.jsonl")) },
		func() error { return l.Remove("a") },
		func() error { return nil },
	} {
		write(l, "a", i, i+1)
		got := page(t, l, Query{Task: "a", Tail: 1}).Items
		if len(got) != 1 || texts(got) != fmt.Sprint(i) || got[0].Pos <= last {
			t.Errorf("round %d: %+v after position %d", i, got, last)
		}
		last = got[0].Pos
		if err := destroy(); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, Options{})
	write(l, "a", 9, 10)
	if got := page(t, l, Query{Task: "a"}).Items; got[0].Pos <= last {
		t.Errorf("a new life gave position %d after %d", got[0].Pos, last)
	}
}

func TestWhoFollowsIsToldHowManyLinesWereDeleted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, Options{})
	write(l, "a", 0, 5)
	p := page(t, l, Query{Task: "a", Limit: 3})
	if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	write(l, "a", 5, 7)
	if got := texts(page(t, l, Query{Task: "a", After: p.Next}).Items); got != "gap2 5 6" {
		t.Errorf("after the files were deleted: %s", got)
	}
}

func TestASmallerQuotaReachesALogThatIsQuiet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, Options{Quota: 64 << 10})
	write(l, "a", 0, 1000)
	write(l, "b", 0, 1000)
	l.Close()
	l = open(t, dir, Options{Quota: 16 << 10})
	l.SetQuota("a", 8<<10)
	l.SetQuota("none", 8<<10)
	if _, files := size(t, dir, "a"); files != 1 {
		t.Errorf("%d files after a smaller quota, want the newest alone", files)
	}
	write(l, "b", 1000, 1001)
	p := page(t, l, Query{Task: "b", Tail: 2})
	if bytes, _ := size(t, dir, "b"); bytes > 16<<10 || texts(p.Items) != "999 1000" {
		t.Errorf("%d bytes after a smaller quota of all, the last lines are %s", bytes, texts(p.Items))
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !os.IsNotExist(err) {
		t.Errorf("a log that there is not: %v", err)
	}
}

func TestLinesAreInTheirFileWithin100Milliseconds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		l.Sink("a").Line(line(7))
		time.Sleep(100 * time.Millisecond) // of the bubble's clock
		synctest.Wait()
		raw, err := os.ReadFile(filepath.Join(dir, "a", "current.jsonl"))
		if err != nil || !bytes.Contains(raw, []byte(`"message":"line 7"`)) || bytes.Count(raw, []byte("\n")) != 1 {
			t.Errorf("the file holds %s, %v", raw, err)
		}
	})
}

func TestADiskThatFailsIsAGapAndRecoversByItself(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		place := filepath.Join(dir, "a")
		if err := os.WriteFile(place, nil, 0o600); err != nil { // in the way of the directory
			t.Fatal(err)
		}
		write(l, "a", 0, 10)
		time.Sleep(time.Second)
		write(l, "a", 10, 15)
		if err := os.Remove(place); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		write(l, "a", 15, 16)
		p, err := l.Page(t.Context(), Query{Task: "a"})
		if err != nil || texts(p.Items) != "gap15 15" {
			t.Errorf("after the disk came back: %s, %v", texts(p.Items), err)
		}
	})
}

// tally follows a log and accounts for every line: seen, or counted in a gap.
type tally struct {
	seen, gaps int64
	last       uint64
	wrong      string
}

func (c *tally) add(r Record) {
	if r.Pos <= c.last {
		c.wrong = fmt.Sprintf("position %d follows %d", r.Pos, c.last)
	}
	if r.Gap == 0 && c.last != 0 && r.Pos != c.last+1 {
		c.wrong = fmt.Sprintf("position %d follows %d without a gap", r.Pos, c.last)
	}
	c.last = r.Pos
	if r.Gap > 0 {
		c.gaps += r.Gap
	} else {
		c.seen++
	}
}

func TestFollowAccountsForEveryLineUnderRotationAndResume(t *testing.T) {
	t.Parallel()
	const lines = 30_000
	l := open(t, t.TempDir(), Options{Quota: 256 << 10, Queue: 64 << 20})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	results := make([]tally, 3)
	for i := range results {
		wg.Go(func() {
			c := &results[i]
			after := ""
			for done := false; !done; {
				all, err := l.Follow(ctx, Query{Task: "a", After: after})
				if err != nil {
					t.Errorf("Follow = %v", err)
					return
				}
				n := 0
				for r, err := range all {
					if err != nil {
						t.Errorf("following = %v", err)
						return
					}
					c.add(r)
					after = fmt.Sprint(r.Pos)
					if done = r.Message == fmt.Sprint("line ", lines-1); done {
						break
					}
					if n++; i > 0 && n == 1000*i { // begins again
						break
					}
				}
				if ctx.Err() != nil {
					t.Error("the last line never came")
					return
				}
			}
		})
	}
	// The first line is written first so that every reader begins at it or counts it as gone.
	write(l, "a", 0, 1)
	first := page(t, l, Query{Task: "a"}).Items[0].Pos
	write(l, "a", 1, lines)
	wg.Wait()
	for i, c := range results {
		if c.wrong != "" {
			t.Errorf("reader %d: %s", i, c.wrong)
		}
		if c.last != first+lines-1 {
			t.Errorf("reader %d ended at %d; want %d", i, c.last, first+lines-1)
		}
	}
}

func TestFollowEndsWithItsContextAndWithTheLogs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, ctx := range []context.Context{ctx, t.Context()} {
			all, err := l.Follow(ctx, Query{Task: "a", Tail: 2})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				var got []Record
				for r, err := range all {
					if err != nil {
						t.Errorf("following = %v", err)
					}
					got = append(got, r)
				}
				if texts(got) != "0 1 2 3 4" {
					t.Errorf("followed %s; all lines are new to a reader that came first", texts(got))
				}
			})
		}
		synctest.Wait()
		write(l, "a", 0, 5)
		time.Sleep(time.Second) // of the bubble's clock
		synctest.Wait()
		cancel()
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("closing again = %v", err)
		}
		l.Sink("a").Line(line(6))
		l.Sink("b").Line(line(6))
		wg.Wait()
	})
}

func TestAFloodIsBoundedAndCounted(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 50 MB")
	}
	const lines = 500_000
	dir := t.TempDir()
	l := open(t, dir, Options{Queue: 256 << 10})
	sink := l.Sink("a")
	text := strings.Repeat("x", 100)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var worst uint64
	began := time.Now()
	for i := range lines {
		sink.Line(task.LogLine{At: start, Level: "info", Stream: "stderr", Run: []string{"r1", "r2"}[i&1], Message: text})
		if i%50_000 == 0 {
			runtime.ReadMemStats(&after)
			worst = max(worst, after.HeapInuse)
		}
	}
	took := time.Since(began)
	if grown := int64(worst) - int64(before.HeapInuse); grown > 32<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
	var c tally
	for after := ""; ; {
		p := page(t, l, Query{Task: "a", Limit: 1000, After: after})
		for _, r := range p.Items {
			if r.Gap > 0 && r.Run != "r1" && r.Run != "r2" {
				t.Fatalf("a gap of run %q", r.Run)
			}
			c.add(r)
		}
		if after = p.Next; !p.More {
			break
		}
	}
	if c.wrong != "" {
		t.Error(c.wrong)
	}
	if bytes, _ := size(t, dir, "a"); bytes > 16<<20 {
		t.Errorf("%d bytes on disk; the quota is 16 MiB", bytes)
	}
	t.Logf("%.0f MB/s offered, %d of %d lines kept, %d counted as dropped", float64(lines*100)/took.Seconds()/1e6, c.seen, lines, c.gaps)
}

// Nothing of a flood may vanish: with room for the files, lines and gaps add up.
func TestWhatAFloodDropsAddsUp(t *testing.T) {
	t.Parallel()
	const writers, each = 4, 20_000
	l := open(t, t.TempDir(), Options{Queue: 8 << 10})
	l.SetQuota("a", 0)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() { write(l, "a", 0, each) })
	}
	wg.Wait()
	write(l, "a", 0, 1)
	var c tally
	for after := ""; ; {
		p := page(t, l, Query{Task: "a", Limit: 1000, After: after})
		for _, r := range p.Items {
			c.add(r)
		}
		if after = p.Next; !p.More {
			break
		}
	}
	if c.seen+c.gaps != writers*each+1 || c.wrong != "" {
		t.Errorf("%d lines and %d in gaps of %d %s", c.seen, c.gaps, writers*each+1, c.wrong)
	}
	if c.gaps == 0 {
		t.Error("nothing was dropped: the test proves nothing")
	}
}

func TestPagesAgreeWithTheWhole(t *testing.T) {
	t.Parallel()
	l := open(t, t.TempDir(), Options{File: 3000, Queue: 64 << 20})
	l.SetQuota("a", 0)
	sink := l.Sink("a")
	for i := range 3000 {
		r := line(i)
		r.Run = fmt.Sprint("r", i%7)
		r.Level = []string{"debug", "info", "warn", "error"}[i%4]
		if i%500 == 0 {
			r.Message += strings.Repeat(" long", 30_000)
		}
		sink.Line(r)
	}
	var whole []Record
	for after := ""; ; {
		p := page(t, l, Query{Task: "a", After: after, Limit: 999})
		whole = append(whole, p.Items...)
		if after = p.Next; !p.More {
			break
		}
	}
	if len(whole) != 3000 {
		t.Fatalf("%d lines", len(whole))
	}
	rapid.Check(t, func(r *rapid.T) {
		q := Query{Task: "a", Limit: rapid.IntRange(1, 50).Draw(r, "limit"), Tail: rapid.SampledFrom([]int{0, 1, 20}).Draw(r, "tail")}
		q.Run = rapid.SampledFrom([]string{"", "r3"}).Draw(r, "run")
		q.Level = rapid.SampledFrom([]string{"", "warn"}).Draw(r, "level")
		after := whole[0].Pos - 1 + rapid.Uint64Range(0, 3001).Draw(r, "after")
		q.After = fmt.Sprint(after)
		var want []uint64
		for _, w := range whole {
			if w.Pos > after && (q.Run == "" || w.Run == q.Run) && (q.Level == "" || rank(w.Level) >= rank(q.Level)) {
				want = append(want, w.Pos)
			}
		}
		more := false
		if q.Tail > 0 {
			want = want[max(0, len(want)-q.Tail):]
		} else if len(want) > q.Limit {
			want, more = want[:q.Limit], true
		}
		p := page(t, l, q)
		var got []uint64
		for _, g := range p.Items {
			got = append(got, g.Pos)
		}
		if diff := cmp.Diff(want, got); diff != "" || p.More != more {
			r.Errorf("%+v: more %v, (-want +got):\n%s", q, p.More, diff)
		}
	})
}

func FuzzAnyLineIsOneJSONLine(f *testing.F) {
	for _, s := range []string{"", "plain", "a\nb\r\n", "\x00\x01\x1b[31mred\x1b[0m", "\xff\xfe\xc3", "\u2028\u2029", `"}` + "\n" + `{"pos":1}`, strings.Repeat("\x00", maxText+10)} {
		f.Add(s, "info", "r", []byte(s))
		f.Add("m", s, s, []byte(`{"k":`+strconv.Quote(s)+`}`))
	}
	f.Fuzz(func(t *testing.T, message, level, run string, fields []byte) {
		encoded := appendLine(nil, 42, encode(task.LogLine{At: start, Level: level, Stream: "stderr", Run: run, Message: message, Fields: fields}))
		if n := bytes.IndexByte(encoded, '\n'); n != len(encoded)-1 || len(encoded) > maxLine {
			t.Fatalf("%d bytes with a newline at %d", len(encoded), n)
		}
		if pos, ok := posOf(encoded); !ok || pos != 42 {
			t.Fatalf("position %d, %v", pos, ok)
		}
		all := filter{}
		r, ok := all.record(encoded)
		if !ok {
			t.Fatalf("it cannot be read back: %.200s", encoded)
		}
		if want := strings.ToValidUTF8(message, "\uFFFD"); len(message) <= maxText && len(r.Message) < len(want) {
			t.Fatalf("message %q became %q", message, r.Message)
		}
	})
}

func FuzzAnyFileCanBeOpened(f *testing.F) {
	f.Add([]byte("{\"pos\":5,\"message\":\"x\"}\n{\"pos\":"))
	f.Add([]byte("\n\n\n"))
	f.Add(bytes.Repeat([]byte("x"), 3000))
	f.Add([]byte("{\"pos\":18446744073709551615}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "a"), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{currentName, "3" + suffix} {
			if err := os.WriteFile(filepath.Join(dir, "a", name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		l, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		write(l, "a", 0, 2)
		p, err := l.Page(t.Context(), Query{Task: "a", Tail: 2})
		if err != nil || texts(p.Items) != "0 1" {
			t.Fatalf("after %q: %s, %v", content, texts(p.Items), err)
		}
	})
}

func TestScanBothWaysAgrees(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		var content []byte
		var want []string
		for i := range rapid.IntRange(0, 12).Draw(r, "lines") {
			s := strings.Repeat(fmt.Sprint(i), rapid.SampledFrom([]int{0, 1, 10, blockSize - 1, blockSize, blockSize + 1, 3*blockSize + 7}).Draw(r, "length"))
			content = append(append(content, s...), '\n')
			want = append(want, s)
		}
		if rapid.Bool().Draw(r, "torn") {
			content = append(content, "torn"...)
		}
		in := bytes.NewReader(content)
		var there, back []string
		if err := forward(in, 0, int64(len(content)), func(at int64, line []byte) bool {
			if !bytes.HasPrefix(content[at:], append(line[:len(line):len(line)], '\n')) {
				r.Fatalf("offset %d is wrong", at)
			}
			there = append(there, string(line))
			return true
		}); err != nil {
			r.Fatal(err)
		}
		if err := backward(in, int64(len(content)), func(line []byte) bool {
			back = append([]string{string(line)}, back...)
			return true
		}); err != nil {
			r.Fatal(err)
		}
		if !cmp.Equal(want, there) || !cmp.Equal(want, back) {
			r.Errorf("want %d lines, forward %d, backward %d", len(want), len(there), len(back))
		}
	})
}

func TestFilesAreWhatATailCanRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, Options{})
	write(l, "a", 0, 3)
	page(t, l, Query{Task: "a"})
	f, err := os.Open(filepath.Join(dir, "a", "current.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for s := bufio.NewScanner(f); s.Scan(); n++ {
		var r Record
		if err := json.Unmarshal(s.Bytes(), &r); err != nil || r.Message != fmt.Sprint("line ", n) {
			t.Errorf("line %d is %s: %v", n, s.Bytes(), err)
		}
	}
	if n != 3 {
		t.Errorf("%d lines", n)
	}
}

func BenchmarkLine(b *testing.B) {
	l := open(b, b.TempDir(), Options{})
	sink := l.Sink("a")
	one := line(1)
	one.Fields = json.RawMessage(`{"status":200,"latency_ms":12.5}`)
	b.ReportAllocs()
	for b.Loop() {
		sink.Line(one)
	}
}

func BenchmarkPageOfTheLast100(b *testing.B) {
	l := open(b, b.TempDir(), Options{Queue: 64 << 20})
	write(l, "a", 0, 100_000)
	page(b, l, Query{Task: "a"})
	for b.Loop() {
		if p := page(b, l, Query{Task: "a", Tail: 100}); len(p.Items) != 100 {
			b.Fatal(len(p.Items))
		}
	}
}

func BenchmarkPageOfARareRun(b *testing.B) {
	l := open(b, b.TempDir(), Options{Queue: 64 << 20})
	write(l, "a", 0, 100_000)
	for b.Loop() {
		page(b, l, Query{Task: "a", Run: "01jdxxxxxxxxxxxxxxxxxxxxxx"})
	}
}

func TestLogsOfTasksThatAreGoneAreForgotten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir, Options{})
	for _, name := range []string{"here", "gone", "recent"} {
		write(l, name, 0, 1)
		page(t, l, Query{Task: name}) // it is written
		if name != "recent" {
			if err := os.Chtimes(filepath.Join(dir, name, currentName), start, start); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Forget(func(name string) bool { return name == "here" }, start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"here": 1, "gone": 0, "recent": 1} {
		if got := len(page(t, l, Query{Task: name}).Items); got != want {
			t.Errorf("%s has %d lines, want %d", name, got, want)
		}
	}
}
