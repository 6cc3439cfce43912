//go:build linux

package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/taskhost/taskhost/host/internal/task"
)

func TestMembersOfATree(t *testing.T) {
	t.Parallel()
	const self = 1
	tests := []struct {
		name   string
		seen   map[int]uint64
		all    []entry
		orphan int
		want   []int
	}{
		{"the leader alone", nil, []entry{{pid: 100, parent: self, session: 100, start: 5, zombie: true}}, 0, nil},
		{"its session", nil, []entry{{pid: 101, parent: self, session: 100, start: 6}}, 0, []int{101}},
		{"descendants in any order and session", nil, []entry{
			{pid: 103, parent: 102, session: 103, start: 8}, {pid: 102, parent: 100, session: 102, start: 7}, {pid: 100, parent: self, session: 100, start: 5},
		}, 0, []int{102, 103}},
		{"what was seen before its parent ended", map[int]uint64{104: 9}, []entry{{pid: 104, parent: self, session: 104, start: 9}}, 0, []int{104}},
		{"a stranger with the pid of one seen", map[int]uint64{104: 9}, []entry{{pid: 104, parent: self, session: 104, start: 10}}, 0, nil},
		{"a session older than the leader", nil, []entry{{pid: 105, parent: self, session: 100, start: 4}}, 0, nil},
		{"an orphan with a mark, and its child", nil, []entry{{pid: 107, parent: 106, session: 106, start: 9}, {pid: 106, parent: self, session: 106, start: 8}}, 106, []int{106, 107}},
		{"zombies do not count", nil, []entry{{pid: 108, parent: 100, session: 100, start: 9, zombie: true}}, 0, nil},
		{"strangers", nil, []entry{{pid: 200, parent: self, session: 200, start: 9}, {pid: 2, parent: 0, session: 0}}, 0, nil},
	}
	for _, tt := range tests {
		tr := &tree{leader: 100, start: 5, seen: tt.seen}
		found := map[int]bool{}
		for _, m := range tr.members(tt.all, func(e entry) bool { return e.pid == tt.orphan }) {
			found[m.pid] = true
		}
		want := map[int]bool{}
		for _, pid := range tt.want {
			want[pid] = true
		}
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	none := &tree{}
	if found := none.members([]entry{{pid: 2, session: 0}}, func(entry) bool { return false }); len(found) > 0 {
		t.Errorf("a tree without a leader has members: %v", found)
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	line := "7 (a) b) S 3 4 5 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 2 3"
	got, ok := parseStat(7, []byte(line))
	if want := (entry{pid: 7, parent: 3, group: 4, session: 5, start: 4711}); !ok || got != want {
		t.Errorf("%+v %v", got, ok)
	}
	for _, bad := range []string{"", "7 (a", "7 (a) S 3"} {
		if _, ok := parseStat(7, []byte(bad)); ok {
			t.Errorf("%q is read", bad)
		}
	}
	if self, ok := readStat(os.Getpid()); !ok || self.parent != os.Getppid() {
		t.Errorf("own entry %+v", self)
	}
}

func TestFileNamesOfTasksAreSafeAndDistinct(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"sync": "sync", "check.www.example.org": "check.www.example.org", "check.A": "check.%41",
		"..": "%2e.", "a/b": "a%2fb", "": "",
	} {
		if got := fileName(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		fa, fb := fileName(a), fileName(b)
		if (a == b) != (strings.EqualFold(fa, fb)) || len(fa) > 150 || strings.ContainsAny(fa, "/\x00") || fa == "." || fa == ".." {
			t.Fatalf("%q → %q, %q → %q", a, fa, b, fb)
		}
	})
}

func TestSplitterGivesTheSameLinesHoweverTheBytesArrive(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 2*maxLine), 0, 6).Draw(t, "lines") {
			text = append(append(text, bytes.Repeat([]byte("x"), n)...), '\n')
		}
		text = append(text, rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, "rest")...)
		read := func(chunk int) (out []string) {
			var s splitter
			emit := func(line []byte, cut int) { out = append(out, string(line)+"|"+strconv.Itoa(cut)) }
			for rest := text; len(rest) > 0; {
				n := min(chunk, len(rest))
				s.feed(rest[:n], emit)
				rest = rest[n:]
			}
			s.flush(emit)
			return out
		}
		if diff := cmp.Diff(read(len(text)+1), read(rapid.IntRange(1, 5000).Draw(t, "chunk"))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestBucketBoundsAFloodAndCountsEveryLine(t *testing.T) {
	t.Parallel()
	var b bucket
	now := time.Unix(0, 0)
	passed, counted, gaps := 0, 0, 0
	const lines = 100_000
	for range lines { // 1 KiB each, 100 MB/s for a second
		now = now.Add(10 * time.Microsecond)
		ok, missed := b.take(1024, now)
		if ok {
			passed++
		}
		if missed.lines > 0 {
			gaps++
			counted += missed.lines
		}
	}
	counted += b.close().lines
	if passed+counted != lines {
		t.Errorf("%d passed, %d counted, of %d", passed, counted, lines)
	}
	if bytes := passed * 1024; bytes > floodBurst+2*floodRate {
		t.Errorf("%d bytes passed", bytes)
	}
	if gaps > 2 {
		t.Errorf("%d gaps in a second", gaps)
	}
	if ok, _ := b.take(1024, now.Add(10*time.Second)); !ok {
		t.Error("closed long after the flood")
	}
}

func TestStderrLines(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	tests := map[string]task.LogLine{
		`{"@level":"debug","@message":"hi","@module":"m","@timestamp":"2026-03-04T05:06:06.500000Z","run":"r1","n":1.50}`: {
			At: now.Add(-500 * time.Millisecond), Level: "debug", Stream: "log", Run: "r1", Message: "hi", Fields: []byte(`{"module":"m","n":1.50}`),
		},
		`{"@level":"loud","@message":"hi","@timestamp":"1999-03-04T05:06:06.500000Z","run":7}`: {
			At: now, Level: "info", Stream: "log", Message: "hi", Fields: []byte(`{"run":7}`),
		},
		`{"@message":"panic: x","stream":"stdout","n":1}`: {At: now, Level: "info", Stream: "stdout", Message: "panic: x", Fields: []byte(`{"n":1}`)},
		`{"@message":"hi","stream":"river"}`:              {At: now, Level: "info", Stream: "log", Message: "hi", Fields: []byte(`{"stream":"river"}`)},
		`{"@message":1}`:                                  {At: now, Level: "info", Stream: "stderr", Message: `{"@message":1}`},
		`{"a":"b"}`:                                       {At: now, Level: "info", Stream: "stderr", Message: `{"a":"b"}`},
		"[WARN]  low":                                     {At: now, Level: "warn", Stream: "stderr", Message: "low"},
		"[weird] x":                                       {At: now, Level: "info", Stream: "stderr", Message: "[weird] x"},
		"panic: x":                                        {At: now, Level: "error", Stream: "stderr", Message: "panic: x"},
		"a\xffb":                                          {At: now, Level: "info", Stream: "stderr", Message: "a\uFFFDb"},
	}
	for line, want := range tests {
		got, _, _ := parseStderr([]byte(line), 0, now)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", line, diff)
		}
	}
}

func FuzzStderr(f *testing.F) {
	for _, seed := range []string{`{"@message":123}`, `{"@message":"x","run":null}`, "null", "{", "panic: x", "[ERR] y", "\x00\xff", `{"@message":"a","@message":"b"}`} {
		f.Add([]byte(seed), 0)
	}
	f.Fuzz(func(t *testing.T, line []byte, cut int) {
		now := time.Unix(1, 0)
		rec, _, _ := parseStderr(line, cut, now)
		if rec.Stream == "" || rec.Level == "" || rec.At.IsZero() {
			t.Errorf("%+v", rec)
		}
		if rec.Fields != nil && rec.Fields[0] != '{' {
			t.Errorf("fields %s", rec.Fields)
		}
	})
}

func TestHandshakeLines(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]struct {
		h  handshake
		at int
		ok bool
	}{
		"1|1|unix|./plugin1|grpc|":           {handshake{1, 1, "unix", "./plugin1", "grpc"}, 0, true},
		"1|9|tcp|127.0.0.1:1234|grpc":        {handshake{1, 9, "tcp", "127.0.0.1:1234", "grpc"}, 0, true},
		"1|1|unix|/x":                        {handshake{1, 1, "unix", "/x", ""}, 0, true},
		"step 21|1|unix|./p|grpc|":           {handshake{1, 1, "unix", "./p", "grpc"}, 6, true},
		"hello":                              {},
		"1|2|3":                              {},
		"99999999999999999999|1|unix|x|grpc": {handshake{}, 0, false},
	} {
		h, at, ok := parseHandshake([]byte(line))
		if h != want.h || at != want.at || ok != want.ok {
			t.Errorf("%s: %+v %d %v", line, h, at, ok)
		}
	}
}

func TestACrashCountsUntilTheProcessLivesOn(t *testing.T) {
	t.Parallel()
	o := newOutput(newSink())
	for _, line := range []string{"before", "panic: one", "goroutine 1", `{"@message":"recovered"}`, "text", "panic: two", "goroutine 2"} {
		o.stderr([]byte(line), 0)
	}
	if _, crash := o.last(); crash != "panic: two\ngoroutine 2" {
		t.Errorf("%q", crash)
	}
}
