package cli

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/admin"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// onTTY is the CLI before a person, who answers with in.
func onTTY(in string) (a *app, out, err *bytes.Buffer) {
	out, err = &bytes.Buffer{}, &bytes.Buffer{}
	return &app{Terminal: Terminal{
		In: strings.NewReader(in), Out: out, Err: err, TTY: true, Local: time.UTC,
		Env: func(string) string { return "" }, Now: func() time.Time { return noon },
	}}, out, err
}

func TestAStopIsShownStageByStage(t *testing.T) {
	t.Parallel()
	a, _, err := onTTY("")
	p := progress{a: a, task: "loader", ladder: admin.Ladder{Drain: admin.Seconds(10 * time.Second), Cancel: admin.Seconds(5 * time.Second)}}
	run := admin.Run{State: "stopping", Progress: &admin.Progress{Done: 2, Note: "messages in flight"}}
	run.Stop = &admin.Stop{Stage: "drain", Began: admin.At(noon.Add(-6100 * time.Millisecond)), Deadline: admin.At(noon.Add(3900 * time.Millisecond))}
	p.show(run)
	run.Progress = nil
	run.Stop = &admin.Stop{Stage: "cancel", Began: run.Stop.Began, Deadline: admin.At(noon.Add(4200 * time.Millisecond))}
	p.show(run)
	p.close()
	want := "\r\x1b[Kloader  drain   ██████░░░░  6.1 s of 10s   2  messages in flight\n" +
		"\r\x1b[Kloader  cancel  █░░░░░░░░░  0.8 s of 5s\n"
	if diff := cmp.Diff(want, err.String()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

// full is a disk that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestOutputThatIsLostIsAnError(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"version"}, {"version", "-json"}, {"help"}} {
		var err bytes.Buffer
		code := Run(t.Context(), args, Terminal{In: strings.NewReader(""), Out: full{}, Err: &err, Env: func(string) string { return "" }}, Commands{})
		if want := "taskhost: write the output: no space left on device\n"; code != ExitFailed || err.String() != want {
			t.Errorf("%v: exit %d and %q, want %d and %q", args, code, err.String(), ExitFailed, want)
		}
	}
}

func TestAPersonIsAskedBeforeWhatCannotBeTakenBack(t *testing.T) {
	t.Parallel()
	for answer, goesOn := range map[string]bool{"y\n": true, "yes\n": true, "n\n": false, "\n": false, "": false} {
		a, _, _ := onTTY(answer)
		if err := a.confirm(false, "kill?"); (err == nil) != goesOn {
			t.Errorf("%q: %v, want to go on = %v", answer, err, goesOn)
		}
	}
	a, _, asked := onTTY("n\n")
	if err := a.confirm(true, "kill?"); err != nil || asked.Len() > 0 {
		t.Errorf("-yes: %v, asked %q", err, asked)
	}
	a.TTY = false
	if err := a.confirm(false, "kill?"); err != nil {
		t.Errorf("without a terminal: %v", err)
	}
	v := verbFlags{body: admin.Verb{Mode: admin.Hard}, target: target{selects: []string{"name=*"}}}
	a, _, asked = onTTY("n\n")
	if err := v.ask(a, "stop", nil); err == nil || !strings.Contains(asked.String(), "stop all tasks with name=*") {
		t.Errorf("hard stop of all: %v, asked %q", err, asked)
	}
}

func TestATableAlignsAndColoursOnlyForAPerson(t *testing.T) {
	t.Parallel()
	fill := func(a *app) {
		tb := newTable("TASK", "STATE", "NOTE")
		tb.colors[1] = stateColor
		tb.add("ä", "running", "")
		tb.add("longer", "", "evil \x1b[2J")
		tb.write(a)
	}
	a, out, _ := onTTY("")
	fill(a)
	if !strings.Contains(out.String(), "\x1b[32mrunning\x1b[0m") || strings.Contains(out.String(), "\x1b[2J") {
		t.Errorf("on a terminal: %q", out)
	}
	a, out, _ = onTTY("")
	a.Env = func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }
	fill(a)
	want := "TASK    STATE    NOTE\nä       running\nlonger  –        evil \\x1b[2J\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("without colour (-want +got):\n%s", diff)
	}
}

func TestTimesAreShownAsAPersonReadsThem(t *testing.T) {
	t.Parallel()
	a, _, _ := onTTY("")
	for in, want := range map[time.Duration]string{
		18 * time.Second: "in 18s", 50 * time.Minute: "in 50m", 13*time.Hour + 15*time.Minute: "02:15 CET (13h)",
		40 * time.Hour: "Mon 23 Nov 05:00 CET (40h)", -time.Second: "now",
	} {
		if got := a.next(admin.At(noon.Add(in)), "Europe/Berlin"); got != want {
			t.Errorf("%s ahead: %q, want %q", in, got, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 31 * time.Millisecond: "31ms", 1500 * time.Millisecond: "1.5s", 2 * time.Minute: "2m", 72 * time.Hour: "3d"} {
		if got := short(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{1: "1st", 2: "2nd", 3: "3rd", 11: "11th", 22: "22nd", 113: "113th"} {
		if got := ordinal(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestSingleDashWordsAreFlags(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"task stop x -mode hard":      "task stop x --mode hard",
		"task stop x -mode=hard -f":   "task stop x --mode=hard -f",
		"task run x -wait 30s":        "task run x --wait=30s",
		"task run x -wait":            "task run x --wait",
		"task run -wait x":            "task run --wait x",
		"task run x -wait=5s -n 3":    "task run x --wait=5s -n 3",
		"task run x --wait 1d -input": "task run x --wait=1d --input",
		"logs x - -1 -- -json":        "logs x - -1 -- -json",
		"logs x -grep -error -json":   "logs x --grep -error --json",
		"-addr -x logs -n -x -quiet":  "--addr -x logs -n -x --quiet",
		"task ls -json -label -a=b":   "task ls --json --label -a=b",
		"__complete task -mo":         "__complete task --mo",
	} {
		if got := strings.Join(normalize((&app{}).root(), strings.Fields(in)), " "); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestADiffShowsWhatChangesWithItsSurroundings(t *testing.T) {
	t.Parallel()
	old := "a\nb\nc\nd\ne\nf\ng\nh\n"
	now := "a\nb\nc\nD\ne\nf\ng\nh\ni\n"
	want := "--- x\n+++ x, formatted\n@@\n a\n b\n c\n-d\n+D\n e\n f\n g\n h\n+i\n"
	if diff := cmp.Diff(want, lineDiff("x", old, now)); diff != "" {
		t.Errorf("diff (-want +got):\n%s", diff)
	}
	if got := lineDiff("x", old, old); got != "" {
		t.Errorf("equal texts: %q", got)
	}
}

func TestTimeFlagsTakeWhatPeopleWrite(t *testing.T) {
	t.Parallel()
	a, _, _ := onTTY("")
	for text, want := range map[string]time.Time{
		"2h": noon.Add(2 * time.Hour), "2026-12-01T08:00:00Z": time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC),
		"2026-12-01 08:00": time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC), "2026-12-01": time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		"13:30": noon.Add(90 * time.Minute), "11:00": noon.Add(23 * time.Hour),
	} {
		i := instant{a: a}
		if err := i.Set(text); err != nil || !i.at.Equal(want) {
			t.Errorf("%q: %s, %v; want %s", text, i.at, err, want)
		}
	}
	back := instant{a: a, back: true}
	if err := back.Set("2h"); err != nil || !back.at.Equal(noon.Add(-2*time.Hour)) {
		t.Errorf("2h back: %s, %v", back.at, err)
	}
	if err := back.Set("soon"); err == nil {
		t.Error("soon was taken for a time")
	}
}

func TestAPersonTypesTheNameOfWhatIsDeleted(t *testing.T) {
	t.Parallel()
	for typed, goesOn := range map[string]bool{"urls\n": true, " urls ": true, "url\n": false, "y\n": false, "": false} {
		a, _, asked := onTTY(typed)
		if err := a.confirmName("urls", "", "this deletes 3 messages"); (err == nil) != goesOn || !strings.Contains(asked.String(), "type its name") {
			t.Errorf("%q: %v, want to go on = %v; asked %q", typed, err, goesOn, asked)
		}
	}
	a, _, asked := onTTY("")
	if err := a.confirmName("urls", "urls", ""); err != nil || asked.Len() > 0 {
		t.Errorf("-yes=urls: %v, asked %q", err, asked)
	}
	if err := a.confirmName("urls", "url", ""); exitCode(err) != ExitUsage {
		t.Errorf("-yes=url: %v", err)
	}
	a.TTY = false
	if err := a.confirmName("urls", "", ""); exitCode(err) != ExitUsage {
		t.Errorf("a script without -yes: %v", err)
	}
}

func TestALongLineIsRefusedAndShortOnesAreTrimmed(t *testing.T) {
	t.Parallel()
	in := bufio.NewReaderSize(strings.NewReader(" 1 \r\n\n"+strings.Repeat("x", 100<<10)+"\n2"), 64<<10)
	for i, want := range []int{1, 0, 100 << 10, 1} {
		if text, err := readLine(in); err != nil || len(text) != want {
			t.Errorf("line %d: %d bytes, %v; want %d", i, len(text), err, want)
		}
	}
	if _, err := readLine(in); err != io.EOF {
		t.Errorf("after the last line: %v", err)
	}
	if _, err := readLine(bufio.NewReader(strings.NewReader(strings.Repeat("x", maxInput+1)))); exitCode(err) != ExitUsage {
		t.Errorf("a line without an end: %v", err)
	}
}
