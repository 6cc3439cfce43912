package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPercentilesAreFiguresThatWereMeasured(t *testing.T) {
	t.Parallel()
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(100 - i)
	}
	for name, c := range map[string]struct {
		of   []int64
		want [3]time.Duration // p50, p99, max
	}{
		"none":               {nil, [3]time.Duration{}},
		"one":                {[]int64{7}, [3]time.Duration{7, 7, 7}},
		"two":                {[]int64{9, 1}, [3]time.Duration{1, 9, 9}},
		"a hundred backward": {hundred, [3]time.Duration{50, 99, 100}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFigures(c.of)
			if got := [3]time.Duration{f.median(), f.p99(), f.max()}; got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	ms := func(n int) quantity { return timeOf(time.Duration(n) * time.Millisecond) }
	for name, c := range map[string]struct {
		b    budget
		want string
	}{
		"no target":              {budget{measured: ms(5)}, ""},
		"within the ratio":       {budget{measured: ms(4), floor: ms(2), ratio: 2}, "ok"},
		"over the ratio":         {budget{measured: ms(5), floor: ms(2), ratio: 2}, "over"},
		"within the limit":       {budget{measured: ms(5), limit: ms(5)}, "ok"},
		"over the limit":         {budget{measured: ms(6), limit: ms(5)}, "over"},
		"one of two is over":     {budget{measured: ms(6), floor: ms(6), ratio: 2, limit: ms(5)}, "over"},
		"not measured":           {budget{limit: ms(5)}, "over"},
		"a ratio without floor":  {budget{measured: ms(5), ratio: 2}, "over"},
		"a floor without target": {budget{measured: ms(5), floor: ms(1)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.b.verdict(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTableHasALinePerBudget(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := write(&out, []budget{
		{row: 1, name: "p50", measured: timeOf(150 * time.Microsecond), floor: timeOf(100 * time.Microsecond), ratio: 2, note: "why"},
		{row: 4, name: "memory", measured: quantity{1.5e8, inBytes}, floor: quantity{1e8, inBytes}, ratio: 1.2},
		{row: 4, name: "processor", measured: quantity{0.25, inProcessors}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Fields(line))
	}
	want := [][]string{
		{"row", "what", "measured", "floor", "ratio", "target"},
		{"1", "p50", "150", "µs", "100", "µs", "1.50×", "≤", "2×", "ok", "why"},
		{"4", "memory", "150.0", "MB", "100.0", "MB", "1.50×", "≤", "1.2×", "over"},
		{"4", "processor", "25.0", "%", "–", "–"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLatenessIsOfTheWindowAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notes")
	text := "open 0 5\nrun 10 13\nrun 30 31\nopen 0 9\nrun 0 40\nrun 20 22\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := readNotes(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := n.lateness(window{time.Unix(0, 10), time.Unix(0, 30)}); !cmp.Equal(got, figures{2, 3}) {
		t.Errorf("late by %v", got)
	}
	if got := n.allOpen().UnixNano(); got != 9 {
		t.Errorf("all open at %d", got)
	}
	if got := n.runs[len(n.runs)-1]; got.entered.UnixNano() != 40 || !got.slot.IsZero() {
		t.Errorf("the last run is %v", got)
	}
}

func TestNotesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notes")
	if err := os.WriteFile(path, []byte("run 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readNotes(path); err == nil || !strings.Contains(err.Error(), `line "run 1"`) {
		t.Errorf("got %v", err)
	}
}

func TestALineThatAKilledProbeLeavesIsPassedOver(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notes")
	if err := os.WriteFile(path, []byte(strings.Repeat("run 1 2\n", 200)+"run 17run 3 4\nrun 5 6\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := readNotes(path); err != nil || len(n.runs) != 201 {
		t.Errorf("%d runs, %v", len(n.runs), err)
	}
}

func TestUsageIsReadBehindTheName(t *testing.T) {
	t.Parallel()
	stat := "12 (a (b) c) S 1 12 12 0 -1 4194560 100 0 0 0 150 50 70 30 20 0 9 0 100 1000 256 0"
	got, err := parseUsage(stat, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if want := (usage{resident: 256 * 4096, cpu: 2 * time.Second, reaped: time.Second}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := parseUsage("12 (x) S 1", 4096); err == nil {
		t.Error("a short line was read")
	}
}
