//go:build !race

package ui_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"

	"github.com/taskhost/taskhost/host/admin"
)

var loadFor = flag.Duration("load", 8*time.Second, "how long the page is watched under load")

const (
	crowd     = 1000
	perSecond = 50
)

// crowded declares many tasks that run nothing by themselves.
func crowded() string {
	var b strings.Builder
	for i := range crowd {
		fmt.Fprintf(&b, "task \"t%04d\" {\n  plugin = \"hostile\"\n  type = \"work\"\n  description = \"one of many\"\n  labels = { team = \"t%d\" }\n  periodic {\n    cron = \"%d 3 * * *\"\n  }\n}\n", i, i%7, i%60)
	}
	return b.String()
}

// stir pauses and resumes one task after another, so that events come at their pace until ctx ends.
func stir(ctx context.Context, p *place) (events int, err error) {
	pace := time.NewTicker(time.Second / perSecond)
	defer pace.Stop()
	for ; ; events++ {
		select {
		case <-ctx.Done():
			return events, nil
		case <-pace.C:
		}
		name := fmt.Sprintf("t%04d", events/2*7%crowd)
		if events%2 == 0 {
			_, err = p.Pause(ctx, name, admin.Pause{Reason: "load"})
		} else {
			_, err = p.Resume(ctx, name, admin.Resume{})
		}
		if err != nil && ctx.Err() == nil {
			return events, err
		}
	}
}

// A tracer collects how long the page's main thread was at work at a time: in its own time, which other programs on
// the machine do not lengthen.
type tracer struct {
	b     *browser
	mu    sync.Mutex
	main  map[string]bool // threads of renderers, as "pid tid"
	tasks map[string][]float64
	over  chan struct{} // closed when the trace has ended
}

var endTracing = cdp.Command[cdp.Empty, cdp.Empty]{Method: tracing.CommandEnd}

func newTracer(b *browser) *tracer {
	b.t.Helper()
	tr := &tracer{b: b, main: map[string]bool{}}
	if err := chromedp.Listen(b.ctx, tr.listen); err != nil {
		b.t.Fatal(err)
	}
	return tr
}

func (tr *tracer) begin() {
	tr.b.t.Helper()
	tr.mu.Lock()
	tr.tasks, tr.over = map[string][]float64{}, make(chan struct{})
	tr.mu.Unlock()
	start := tracing.StartParams{TraceConfig: &tracing.TraceConfig{IncludedCategories: []string{"toplevel", "__metadata"}, ExcludedCategories: []string{"*"}}}
	if _, err := chromedp.Call(tr.b.ctx, tracing.Start, start); err != nil {
		tr.b.t.Fatalf("trace: %v", err)
	}
}

func (tr *tracer) listen(event any) {
	switch e := event.(type) {
	case *tracing.EventDataCollected:
		for _, data := range e.Value {
			tr.take(data)
		}
	case *tracing.EventTracingComplete:
		tr.mu.Lock()
		defer tr.mu.Unlock()
		close(tr.over)
	}
}

func (tr *tracer) take(data []byte) {
	var e struct {
		Name     string
		Pid, Tid int
		Tdur     float64 // µs
		Args     struct{ Name string }
	}
	if json.Unmarshal(data, &e) != nil {
		return
	}
	thread := fmt.Sprint(e.Pid, e.Tid)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch {
	case e.Name == "thread_name" && e.Args.Name == "CrRendererMain":
		tr.main[thread] = true
	case strings.HasSuffix(e.Name, "RunTask"):
		tr.tasks[thread] = append(tr.tasks[thread], e.Tdur/1000)
	}
}

// work is the longest of some pieces of work and all of them together, in ms, and how many there were.
type work struct {
	longest, total float64
	n              int
}

// end is the work since the trace began.
func (tr *tracer) end() (w work) {
	tr.b.t.Helper()
	if _, err := chromedp.Call(tr.b.ctx, endTracing, cdp.Empty{}); err != nil {
		tr.b.t.Fatalf("end the trace: %v", err)
	}
	select {
	case <-tr.over:
	case <-tr.b.ctx.Done():
		tr.b.t.Fatal("the trace does not end")
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for thread := range tr.main {
		for _, took := range tr.tasks[thread] {
			w = w.and(work{took, took, 1})
		}
	}
	return w
}

func (w work) and(other work) work {
	return work{max(w.longest, other.longest), w.total + other.total, w.n + other.n}
}

// watch is the work until ctx ends, traced in parts: a browser takes minutes to hand out a long trace.
func (tr *tracer) watch(ctx context.Context) (w work) {
	tr.b.t.Helper()
	for ctx.Err() == nil {
		tr.begin()
		part, done := context.WithTimeout(ctx, 15*time.Second)
		<-part.Done()
		done()
		w = w.and(tr.end())
	}
	return w
}

// heap is how much memory the page's objects take, once what nobody needs is gone.
func (b *browser) heap() int {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
		b.t.Fatal(err)
	}
	n, err := strconv.Atoi(b.eval("performance.memory.usedJSHeapSize"))
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// TestThePageStaysSmoothUnderLoad watches the overview for -load; make load-page does so for minutes.
func TestThePageStaysSmoothUnderLoad(t *testing.T) {
	const longestWork = 100 // ms: what a person does not feel as a halt
	p := startPlace(t, crowded())
	b := newBrowserFor(t, 3*time.Minute+*loadFor, 1280, 800)
	tr := newTracer(b)
	tr.begin()
	b.login(p.url, p.token)
	b.until("all rows are there", fmt.Sprintf(`document.querySelectorAll(".task-row").length === %d && document.querySelectorAll("svg.strip, .c-strip span").length > 5`, crowd))
	t.Logf("to open the page takes %.0f ms at a time", tr.end().longest)

	before := b.heap()
	b.eval(`(() => { let by = 300; setInterval(() => { scrollBy(0, by); if (scrollY === 0 || scrollY + innerHeight >= document.body.scrollHeight - 1) by = -by; }, 100); })()`)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), *loadFor)
	defer cancel()
	var events int
	var stirring sync.WaitGroup
	stirring.Go(func() {
		var err error
		if events, err = stir(ctx, p); err != nil {
			t.Error(err)
		}
	})
	w := tr.watch(ctx)
	stirring.Wait()
	took := time.Since(began)
	after := b.heap()
	t.Logf("%d events in %.0f s: %d pieces of work, the longest %.0f ms, %.0f%% of the time at work; heap %d to %d KiB", events, took.Seconds(), w.n, w.longest, w.total/float64(took.Milliseconds())*100, before>>10, after>>10)
	if w.n == 0 {
		t.Fatal("the trace holds nothing of the page")
	}
	if w.longest > longestWork {
		t.Errorf("the page halts for %.0f ms", w.longest)
	}
	if after > before+16<<20 {
		t.Errorf("the page grew from %d to %d bytes", before, after)
	}
	b.until("it shows what is", `document.querySelectorAll(".c-state .chip").length <= 1`)
	b.clean()
}
