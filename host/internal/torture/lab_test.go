package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
	"github.com/taskhost/taskhost/host/internal/torture/check"
	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// lab is one host with traffic and a killer.
type lab struct {
	t       *testing.T
	h       *admintest.Host
	dice    *rand.Rand
	marks   *listener
	traffic *traffic
	ends    []check.End
	count   figures
}

// tasks is what is tortured, and what it promises.
var tasks = []struct {
	check.Task
	typ, hcl string
	work     time.Duration
}{
	{check.Task{Name: "produce", Every: 200 * time.Millisecond, Parallel: 1, Claims: true}, "produce",
		periodic("200ms", "latest", "") + retry + toIn, 0},
	{check.Task{Name: "resume", Every: 700 * time.Millisecond, Parallel: 1, Claims: true}, "resume",
		periodic("700ms", "latest", "") + retry + toIn + "on_interrupt = \"resume\"\n", 400 * time.Millisecond},
	{check.Task{Name: "late", Every: 250 * time.Millisecond, Parallel: 1, Claims: true}, "slots",
		periodic("250ms", "latest", `overlap = "queue"`), 300 * time.Millisecond},
	{check.Task{Name: "every", Every: 300 * time.Millisecond, Parallel: 1, Claims: true}, "slots",
		periodic("300ms", "all", ""), 100 * time.Millisecond},
	{check.Task{Name: "plain", Every: 200 * time.Millisecond, Parallel: 1}, "slots",
		periodic("200ms", "none", ""), 150 * time.Millisecond},
	{check.Task{Name: "newest", Every: 400 * time.Millisecond, Parallel: 1, Claims: true}, "slots",
		periodic("400ms", "latest", `overlap = "cancel_running"`), 600 * time.Millisecond},
	{check.Task{Name: "crowd", Every: 300 * time.Millisecond, Parallel: 3}, "slots",
		periodic("300ms", "none", "overlap = \"allow\"\nmax_parallel = 3"), 1200 * time.Millisecond},
	// It goes on for a while after its host has died: the next one must end it before it runs the task.
	{check.Task{Name: "stubborn", Every: time.Second, Parallel: 1, Claims: true}, "slots",
		periodic("1s", "latest", "") + "stop {\n drain = \"3s\"\n}\n", 2 * time.Second},
	{check.Task{Name: "relay.1", Parallel: 1, Resident: true}, "", "", 0},
	{check.Task{Name: "relay.2", Parallel: 1, Resident: true}, "", "", 0},
	{check.Task{Name: "sink", Parallel: 1, Resident: true}, "sink", consume("out", 4), 0},
}

const (
	retry = "retry {\n attempts = 100\n backoff = \"10ms\"\n max_backoff = \"100ms\"\n}\n"
	toIn  = "output \"out\" {\n queue = \"in\"\n}\n"
	// maxDeliveries is more than one message has to bear here: none is given up.
	maxDeliveries = 1000
)

func periodic(every, catchUp, more string) string {
	window := "window = \"1h\"\n"
	if catchUp == "none" {
		window = ""
	}
	return fmt.Sprintf("periodic {\n every = %q\n %s\n catch_up {\n policy = %q\n %s}\n}\n", every, more, catchUp, window)
}

func consume(queue string, n int) string {
	return fmt.Sprintf("continuous {\n restart {\n policy = \"always\"\n backoff = \"10ms\"\n max_backoff = \"50ms\"\n max_failures = 10000\n }\n}\nconsume %q {\n concurrency = %d\n}\n", queue, n)
}

// config is the HCL of it all. No record of it is forgotten before it is judged.
func config(dir string) string {
	hcl := "defaults {\n stop {\n drain = \"1s\"\n cancel = \"1s\"\n }\n keep {\n succeeded = 1000000\n failed = 1000000\n slots = 1000000\n }\n}\n"
	for _, q := range []string{"in", "out"} {
		hcl += fmt.Sprintf("queue %q {\n max_messages = 1000000\n max_deliveries = %d\n redeliver {\n backoff = \"10ms\"\n max_backoff = \"50ms\"\n }\n dead_letters {\n max = 1000000\n }\n}\n", q, maxDeliveries)
	}
	block := func(name, typ, body string, work time.Duration) {
		hcl += fmt.Sprintf("task %q {\nplugin = \"victim\"\ntype = %q\n%s\nconfig {\n journal = %q\n marks = %q\n work = %q\n}\n}\n",
			name, typ, body, filepath.Join(dir, "journals"), filepath.Join(dir, "marks"), work)
	}
	for _, t := range tasks {
		if t.typ != "" {
			block(t.Name, t.typ, t.hcl, t.work)
		}
	}
	block("relay", "relay", "instances = 2\n"+consume("in", 4)+"output \"out\" {\n queue = \"out\"\n}\n", 0)
	return hcl
}

func newLab(t *testing.T, dice *rand.Rand) *lab {
	t.Helper()
	dir, err := os.MkdirTemp("", "torture-") // a short path, for the sockets in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the host's directory, with the journals and the evidence, stays: %s", dir)
			return
		}
		os.RemoveAll(dir)
	})
	if err := os.Mkdir(filepath.Join(dir, "journals"), 0o700); err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, dice: dice, marks: listen(t, filepath.Join(dir, "marks"))}
	l.h = admintest.Start(t, admintest.Options{Dir: dir, HCL: config(dir), Plugins: []string{"host/internal/torture/victim"}})
	return l
}

// torture kills until it is enough.
func (l *lab) torture() {
	l.traffic = startTraffic(l.t, filepath.Join(l.h.DataDir, "admin.sock"), l.dice.Uint64())
	began := time.Now()
	for !l.enough(time.Since(began)) && !l.t.Failed() {
		l.round()
	}
	l.traffic.stop()
}

func (l *lab) enough(since time.Duration) bool {
	if *torture > 0 {
		return since > *torture
	}
	return l.count.kills() >= usual() || since > patience
}

// rest waits until nothing is under way any more. No slot runs after that.
func (l *lab) rest() {
	for _, t := range tasks {
		if t.Every == 0 {
			continue
		}
		if _, err := l.h.Pause(l.t.Context(), t.Name, admin.Pause{Reason: "everything comes to rest"}); err != nil {
			l.t.Fatalf("pause %s: %v", t.Name, err)
		}
		// The task and not its history: a slot that waits for its process is written down when it begins.
		l.h.Until("no run of "+t.Name+" goes on", func(ctx context.Context) error {
			now, err := l.h.Task(ctx, t.Name)
			if err == nil && len(now.Running) > 0 {
				err = fmt.Errorf("runs %v go on", now.Running)
			}
			return err
		})
	}
	l.empty()
}

// empty waits until all messages have come to their end.
func (l *lab) empty() {
	l.h.Until("the queues are empty", func(ctx context.Context) error {
		for _, name := range []string{"in", "out"} {
			q, err := l.h.Queue(ctx, name)
			if err != nil {
				return err
			}
			if q.Depth > 0 {
				return fmt.Errorf("queue %s holds %d messages, %d of them with a consumer", name, q.Depth, q.InFlight)
			}
		}
		return nil
	})
}

// judge lets everything come to rest, lets a last host tell what it knows, and checks it.
func (l *lab) judge() figures {
	l.rest()
	l.stop()
	l.h.Launch()
	e := l.gather()
	if code := l.h.Stop(); code != 0 {
		l.t.Errorf("the last host ended with code %d", code)
	}
	faults := check.Check(e)
	l.keep(e)
	const show = 50
	for i, f := range faults {
		if i == show {
			l.t.Errorf("and %d faults more", len(faults)-show)
			break
		}
		l.t.Error(f)
	}
	return l.tally(e, faults)
}

// keep writes down what was judged, beside the journals.
func (l *lab) keep(e check.Evidence) {
	e.Processes = nil
	text, err := json.MarshalIndent(e, "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Join(l.h.Dir, "evidence.json"), text, 0o600)
	}
	if err != nil {
		l.t.Errorf("keep the evidence: %v", err)
	}
}

// tally counts what the evidence holds.
func (l *lab) tally(e check.Evidence, faults []check.Fault) figures {
	f := l.count
	f.faults, f.runs = len(faults), len(e.Runs)
	for _, s := range e.Skips {
		f.skipped += s.Count
	}
	for _, p := range e.Posts {
		if p.Acked {
			f.posted++
		}
		if p.Tries > 1 {
			f.repeated++
		}
	}
	seen := map[string]bool{}
	for _, p := range e.Processes {
		for _, x := range p.Entries {
			if x.Kind != journal.Handle {
				continue
			}
			f.handled++
			if seen[x.Queue+" "+x.Message] {
				f.redelivered++
			}
			seen[x.Queue+" "+x.Message] = true
		}
	}
	l.t.Log(f)
	return f
}
