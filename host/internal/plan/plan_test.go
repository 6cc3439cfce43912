package plan

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/task"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const canary = "canary-4711-do-not-print"

func check(name string, change func(*task.Definition)) task.Definition {
	d := task.Definition{
		Name: name, Block: name, Enabled: true, Plugin: "http", Type: "check", Mode: task.Periodic, Dir: "/etc/taskhost",
		Schedule: task.Schedule{Every: time.Minute, HasOffset: true, Overlap: task.OverlapSkip}, Timeout: 10 * time.Second,
		Env:    map[string]string{"TOKEN": canary},
		Config: task.Config{Digest: strings.Repeat("a", 64), SchemaHash: "s", Redacted: json.RawMessage(`{"url":"http://a","token":"***","headers":[{"name":"x"}],"big":9007199254740993}`), Msgpack: []byte(canary)},
		Keep:   task.Keep{Logs: 16 << 20},
	}
	if change != nil {
		change(&d)
	}
	return d
}

func of(moves []task.Move, tasks ...task.Definition) Snapshot {
	return Of(&config.Config{Tasks: tasks, Moves: moves}, []byte("key"))
}

func world(live ...task.Run) World {
	return World{Now: noon, Live: func(name string) (runs []task.Run) {
		for _, r := range live {
			if r.Task == name {
				runs = append(runs, r)
			}
		}
		return runs
	}, Next: func(string) time.Time { return noon.Add(time.Second) }}
}

// brief is what a plan says of its tasks, in a line for each that changes.
func brief(p admin.Plan) (lines []string) {
	for _, c := range OnlyChanged(p).Tasks {
		line := c.Task + " " + c.Change
		if c.From != "" {
			line += " from " + c.From
		}
		for _, a := range c.Attributes {
			old, _ := json.Marshal(a.Old)
			now, _ := json.Marshal(a.New)
			line += "; " + a.Path + " " + string(old) + " → " + string(now) + " " + a.Class
		}
		for _, r := range c.Runs {
			line += "; " + r.ID + " " + r.Effect
		}
		lines = append(lines, line)
	}
	return lines
}

func TestAPlanSaysWhatEachChangeMeans(t *testing.T) {
	t.Parallel()
	running := task.Run{ID: "r1", Task: "a", State: task.RunRunning}
	waiting := task.Run{ID: "r2", Task: "a", State: task.RunQueued}
	for _, test := range []struct {
		name   string
		change func(*task.Definition)
		want   string
	}{
		{"nothing", nil, ""},
		{"where it stands", func(d *task.Definition) { d.Source = "b.hcl:7" }, ""},
		{"a timeout", func(d *task.Definition) { d.Timeout = time.Minute }, `a live; timeout "10s" → "1m" live; r1 gets the new timeout, counted from its begin`},
		{"no timeout any more", func(d *task.Definition) { d.Timeout = 0 }, `a live; timeout "10s" → null live; r1 gets the new timeout, counted from its begin`},
		{"a schedule", func(d *task.Definition) { d.Schedule.Every, d.Schedule.After, d.Schedule.HasAfter = 0, 0, true }, `a live; periodic.every "1m" → null live; periodic.after null → "0s" live`},
		{"the config", func(d *task.Definition) {
			d.Config.Redacted, d.Config.Msgpack = json.RawMessage(`{"url":"http://b","token":"***","headers":[],"big":9007199254740992}`), []byte("b")
		}, `a restart; config.big 9007199254740993 → 9007199254740992 restart; config.headers [{"name":"x"}] → [] restart; config.url "http://a" → "http://b" restart; r1 is drained, then cancelled, as stop says`},
		{"a secret", func(d *task.Definition) { d.Config.Msgpack = []byte("other") }, `a restart; config "***" → "***" restart; r1 is drained, then cancelled, as stop says`},
		{"a secret of the environment", func(d *task.Definition) { d.Env = map[string]string{"TOKEN": "other", "MORE": canary} },
			`a restart; env.MORE null → "***" restart; env.TOKEN "***" → "***" restart; r1 is drained, then cancelled, as stop says`},
		{"labels", func(d *task.Definition) { d.Labels = map[string]string{"team": "shop"} }, `a live; labels.team null → "shop" live`},
		{"the binary", func(d *task.Definition) { d.Config.Digest = strings.Repeat("b", 64) },
			`a next_run; plugin (binary) "` + strings.Repeat("a", 64) + `" → "` + strings.Repeat("b", 64) + `" next_run; r1 finishes as it began`},
		{"another directory", func(d *task.Definition) { d.Dir = "/srv" }, `a restart; directory "/etc/taskhost" → "/srv" restart; r1 is drained, then cancelled, as stop says`},
		{"what is kept", func(d *task.Definition) { d.Keep.Logs = 1 << 20 }, `a live; keep.logs "16MiB" → "1MiB" live`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := Make(of(nil, check("a", nil), check("b", nil)), of(nil, check("a", test.change), check("b", nil)), world(running, waiting))
			if got := strings.Join(brief(p), "\n"); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
			if p.Changed != (test.want != "") || len(p.Tasks) != 2 {
				t.Errorf("changed: %t, %d tasks", p.Changed, len(p.Tasks))
			}
			if text, err := json.Marshal(p); err != nil || strings.Contains(string(text), canary) {
				t.Errorf("a secret shows: %v", err)
			}
		})
	}
}

func TestAPlanSaysWhichTasksComeAndGo(t *testing.T) {
	t.Parallel()
	old := of(nil, check("a", nil), check("b", nil))
	live := []task.Run{{ID: "r1", Task: "a", State: task.RunRunning}, {ID: "r2", Task: "a", State: task.RunQueued}}
	p := Make(old, of(nil, check("b", nil), check("c", nil)), world(live...))
	want := []string{"a removed; r1 is drained, then cancelled, as stop says; r2 ends: the task is gone", "c added"}
	if d := cmp.Diff(want, brief(p)); d != "" {
		t.Error(d)
	}
	p = Make(old, of([]task.Move{{From: "a", To: "c"}}, check("b", nil), check("c", func(d *task.Definition) { d.Timeout = time.Minute })), world(live...))
	want = []string{`c renamed from a; timeout "10s" → "1m" live; r1 is drained, then cancelled, as stop says; r2 goes on under the new name`}
	if d := cmp.Diff(want, brief(p)); d != "" {
		t.Error(d)
	}
	if p.Summary != "1 renamed" {
		t.Errorf("the summary is %q", p.Summary)
	}
	if p := Make(of(nil, check("c", nil)), of([]task.Move{{From: "a", To: "c"}}, check("c", nil)), world()); p.Changed {
		t.Error("a move that was done before is planned again")
	}
}

func TestAPlanShowsTheNextSlotsBeforeAndAfter(t *testing.T) {
	t.Parallel()
	p := Make(of(nil, check("a", nil)), of(nil, check("a", func(d *task.Definition) { d.Schedule.Every = time.Hour })), world())
	c := p.Tasks[0]
	if len(c.SlotsBefore) != 3 || !c.SlotsBefore[0].Equal(noon.Add(time.Minute)) || len(c.SlotsAfter) != 3 || !c.SlotsAfter[0].Equal(noon.Add(time.Hour)) {
		t.Errorf("before %v, after %v", c.SlotsBefore, c.SlotsAfter)
	}
}

func TestAPlanNamesGroupsQueuesPluginsAndTheHost(t *testing.T) {
	t.Parallel()
	old := Of(&config.Config{
		Groups: []task.Group{{Name: "g", Max: 1, Rate: 300, Per: time.Minute}, {Name: "gone"}}, Queues: []task.Queue{{Name: "q", MaxBytes: 1 << 20}},
		Plugins: []config.Plugin{{Name: "http", Digest: "a"}, {Name: "exec", Digest: "e"}},
		Host:    config.Host{LogLevel: "info", TimeZone: "UTC", Admin: config.Admin{Listen: []string{"unix:a"}}, MaxFrame: 1 << 20},
	}, nil)
	now := Of(&config.Config{
		Groups: []task.Group{{Name: "g", Max: 2, Rate: 5, Per: time.Second}}, Queues: []task.Queue{{Name: "q", MaxBytes: 2 << 20}, {Name: "r"}},
		Plugins: []config.Plugin{{Name: "http", Digest: "b"}, {Name: "exec", Digest: "e"}},
		Host:    config.Host{LogLevel: "debug", TimeZone: "Europe/Berlin", Admin: config.Admin{Listen: []string{"unix:b"}}, MaxFrame: 2 << 20},
	}, nil)
	p := Make(old, now, world())
	text, err := json.Marshal([]any{p.Groups, p.Queues, p.Plugins, p.Host})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"name":"g","change":"live","attributes":[{"path":"max","old":1,"new":2,"class":"live"},{"path":"rate","old":"300/1m","new":"5/1s","class":"live"}]}`,
		`{"name":"gone","change":"removed"}`, `{"path":"max_bytes","old":"1MiB","new":"2MiB","class":"live",`, `{"name":"r","change":"added"}`,
		`{"name":"http","change":"next_run","old_digest":"a","new_digest":"b","tasks":[]}`,
		`{"path":"admin.listen","old":["unix:a"],"new":["unix:b"],"class":"host"`, `{"path":"log.level","old":"info","new":"debug","class":"host"`,
		`{"path":"max_frame","old":"1MiB","new":"2MiB","class":"host"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if strings.Contains(string(text), "time_zone") {
		t.Error("a default of tasks waits for a new start of the host")
	}
	if p.Summary != "no task changes; 2 groups; 2 queues; 1 plugin; 3 attributes of host" {
		t.Errorf("the summary is %q", p.Summary)
	}
}

func TestWhatIsRememberedHoldsNoSecretAndTellsThatOneChanged(t *testing.T) {
	t.Parallel()
	remembered := func(s Snapshot) Snapshot {
		t.Helper()
		text, err := s.Encode()
		if err != nil || strings.Contains(string(text), canary) {
			t.Fatalf("a secret is remembered: %v", err)
		}
		back, err := Decode(text)
		if err != nil {
			t.Fatal(err)
		}
		return back
	}
	old := remembered(of(nil, check("a", nil), check("b", nil)))
	if d := Diff(old, remembered(of(nil, check("a", nil), check("b", nil)))); len(d.Tasks) > 0 {
		t.Errorf("the same: %+v", d)
	}
	d := Diff(old, remembered(of(nil, check("a", func(d *task.Definition) { d.Config.Msgpack = []byte("other") }), check("b", func(d *task.Definition) { d.Timeout = 0 }))))
	want := []string{`a restart; config "***" → "***" restart`, `b live; timeout "10s" → null live`}
	if diff := cmp.Diff(want, brief(admin.Plan{Tasks: d.Tasks})); diff != "" {
		t.Error(diff)
	}
}

func TestAPlanSaysThatTheHostStopsLaterAtOnce(t *testing.T) {
	t.Parallel()
	of := func(d time.Duration) Snapshot { return Of(&config.Config{Host: config.Host{ShutdownTimeout: d}}, nil) }
	p := Make(of(time.Minute), of(2*time.Minute), World{})
	if !p.Changed || p.Summary != "no task changes; shutdown_timeout 1m → 2m" || len(p.Host) > 0 {
		t.Errorf("changed %t, %q, waiting for a new start: %v", p.Changed, p.Summary, p.Host)
	}
	if p = Make(of(time.Minute), of(time.Minute), World{}); p.Changed || p.Summary != "no task changes" {
		t.Errorf("changed %t, %q", p.Changed, p.Summary)
	}
}
