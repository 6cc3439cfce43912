//go:build linux

package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
	sdk "github.com/taskhost/taskhost/sdk/task"
)

type sdkConfig struct {
	Greeting string `task:"greeting"`
}

// serveSDK is a plugin as an author writes it.
func serveSDK() {
	sdk.Serve(sdk.Plugin{Name: "scripted", Version: "1.4.0", Types: []sdk.Type{
		sdk.Periodic("greet", func(ctx context.Context, h *sdk.Host, c sdkConfig) error {
			h.Log().Info(c.Greeting, "n", 1)
			if err := h.Publish("last", c.Greeting); err != nil {
				return err
			}
			switch c.Greeting {
			case "wait":
				return h.Wait(ctx, time.Hour)
			case "crash":
				go func() { panic("no luck at all") }()
				return h.Wait(ctx, time.Hour)
			case "nameless":
				fmt.Fprintln(os.Stderr, "who says this?")
			}
			return nil
		}),
	}})
}

func sdkProcess(t *testing.T, greeting string) (*stand, *Process, task.Session, *reports) {
	t.Helper()
	s := newStand(t, "sdk", "")
	p := s.launch()
	c := greet(t, s.spec.Task, greeting)
	if err := p.Configure(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	r := newReports()
	sess, err := p.Open(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return s, p, sess, r
}

// greet is the configuration of a task that greets so.
func greet(t *testing.T, name, greeting string) task.Configure {
	t.Helper()
	body, err := schema.Of[sdkConfig]()
	if err != nil {
		t.Fatal(err)
	}
	value := cty.ObjectVal(map[string]cty.Value{"greeting": cty.StringVal(greeting)})
	config, err := msgpack.Marshal(value, body.CtyType())
	if err != nil {
		t.Fatal(err)
	}
	return task.Configure{Task: name, Type: "greet", Mode: task.Periodic, SchemaHash: body.Hash(), Config: config, LogLevel: "info"}
}

func TestAPluginOfTheSDKRunsDrainsAndCancels(t *testing.T) {
	t.Parallel()
	s, p, sess, r := sdkProcess(t, "hello")
	if err := sess.StartRun(task.RunStart{Run: task.NewID(time.Now()), Attempt: 1, Trigger: task.TriggerManual}); err != nil {
		t.Fatal(err)
	}
	calls := r.await(t, "ended")
	if !strings.Contains(strings.Join(calls, "\n"), `published last "hello"`) || !strings.Contains(calls[len(calls)-1], string(task.StatusSucceeded)) {
		t.Errorf("calls %q", calls)
	}
	line := s.sink.await(t, "log line", contains("hello"))
	var fields map[string]any
	if err := json.Unmarshal(line.Fields, &fields); err != nil || line.Stream != streamLog || line.Run == "" || fields["n"] != 1.0 {
		t.Errorf("line %+v", line)
	}
	if err := p.Drain(context.Background(), "", time.Second, "the end"); err != nil {
		t.Fatal(err)
	}
	if exit := awaitDone(t, p, 5*time.Second); exit.Code != 0 || exit.ByHost {
		t.Errorf("exit %+v", exit)
	}

	_, p, sess, r = sdkProcess(t, "wait")
	run := task.NewID(time.Now())
	if err := sess.StartRun(task.RunStart{Run: run, Attempt: 1, Trigger: task.TriggerManual}); err != nil {
		t.Fatal(err)
	}
	r.await(t, "published")
	if err := p.Cancel(context.Background(), run, task.CauseCancelled, time.Second); err != nil {
		t.Fatal(err)
	}
	r.await(t, "ended "+run+" failed")
}

func TestAPluginOfTheSDKRefusesAnotherTypeByName(t *testing.T) {
	t.Parallel()
	s := newStand(t, "sdk", "")
	err := s.launch().Configure(context.Background(), task.Configure{Task: "x", Type: "other", Mode: task.Periodic})
	if err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("error %v", err)
	}
	var exited *ExitedError
	if errors.As(err, &exited) {
		t.Errorf("it has ended: %v", err)
	}
}
