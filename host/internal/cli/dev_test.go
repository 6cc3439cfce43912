package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admin"
)

func TestWhatDoesNotBuildOrHoldWaitsForTheNextChange(t *testing.T) {
	t.Parallel()
	a, _, said := onTTY("")
	builds, serves, changes := 0, 0, 0
	a.commands.Dev = func(context.Context, DevOptions) (*DevTools, error) {
		return &DevTools{
			Build: func(context.Context) error {
				if builds++; builds == 1 {
					return &NotBuilt{"main.go:1: no\x1b[2J"}
				}
				return nil
			},
			Next: func(context.Context) (DevChange, error) {
				changes++
				return DevChange{Saved: noon, Code: changes == 1}, nil
			},
			Serve: func(context.Context, func()) error {
				if serves++; serves == 1 {
					return &Silent{ExitFailed}
				}
				return errors.New("the disk is gone")
			},
			Close: func() error { return errors.New("and so is the place") },
		}, nil
	}
	err := a.dev(t.Context(), DevOptions{}, nil, false)
	if err == nil || !strings.Contains(err.Error(), "the disk is gone") || !strings.Contains(err.Error(), "the place") {
		t.Errorf("it ended with %v", err)
	}
	if builds != 2 || serves != 2 || changes != 2 {
		t.Errorf("%d builds, %d starts, %d changes; a change of the configuration alone is not built", builds, serves, changes)
	}
	if text := said.String(); !strings.Contains(text, "main.go:1: no\\x1b[2J") || strings.Count(text, "nothing runs yet") != 2 {
		t.Errorf("said: %s", text)
	}
}

func TestWhatADebuggerHoldsIsNotBuiltAgain(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/tasks" || r.Method != http.MethodGet {
			t.Errorf("%s %s: a change is not applied, and nobody waits until the tasks are up", r.Method, r.URL)
		}
		fmt.Fprint(w, `{"items":[{"name":"hello","mode":"continuous","state":"starting"}]}`)
	}))
	defer api.Close()
	client, err := admin.New(api.URL, admin.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, _, said := onTTY("")
	builds := 0
	d := &devSession{app: a, attach: true, logs: map[string]bool{}, tools: &DevTools{Build: func(context.Context) error { builds++; return nil }}}
	d.api.Store(client)
	follow := func(string) {}
	if err := d.renew(t.Context(), DevChange{Saved: noon, Code: true}, follow); err != nil || builds != 0 {
		t.Errorf("%v, %d builds", err, builds)
	}
	if !strings.Contains(said.String(), "quit and start again") {
		t.Errorf("said: %s", said)
	}
	tasks, err := d.upOrWaiting(t.Context(), client)
	if err != nil || len(tasks) != 1 || tasks[0].State != "starting" || !strings.Contains(said.String(), "all timeouts are off") {
		t.Errorf("%v, %+v; said: %s", err, tasks, said)
	}
}

func TestASessionEndsWithItsContextAndWaitsForItsHost(t *testing.T) {
	t.Parallel()
	a, _, _ := onTTY("r?")
	ctx, cancel := context.WithCancel(t.Context())
	closed := false
	a.commands.Dev = func(context.Context, DevOptions) (*DevTools, error) {
		return &DevTools{
			Build: func(context.Context) error { return nil },
			Serve: func(ctx context.Context, _ func()) error {
				cancel()
				<-ctx.Done()
				return nil
			},
			Close: func() error { closed = true; return nil },
		}, nil
	}
	if err := a.dev(ctx, DevOptions{}, nil, false); err != nil || !closed {
		t.Errorf("%v, closed %v", err, closed)
	}
}

func TestAContinuousTaskIsUpWithTheNewBinary(t *testing.T) {
	t.Parallel()
	plugins := []admin.PluginID{{Name: "greeter", Digest: "new"}}
	runs := func(digest string) []admin.ProcessInfo { return []admin.ProcessInfo{{Digest: digest}} }
	for _, tt := range []struct {
		what  string
		tasks []admin.Task
		want  bool
	}{
		{"none", nil, true},
		{"waits for its time", []admin.Task{{Mode: "periodic", Plugin: "greeter", State: "idle"}}, true},
		{"old binary", []admin.Task{{Mode: "continuous", Plugin: "greeter", State: "running", Processes: runs("old")}}, false},
		{"new binary", []admin.Task{{Mode: "continuous", Plugin: "greeter", State: "running", Processes: runs("new")}}, true},
		{"on its way", []admin.Task{{Mode: "continuous", Plugin: "greeter", State: "stopping", Processes: runs("old")}}, false},
		{"stopped by hand", []admin.Task{{Mode: "continuous", Plugin: "greeter", State: "stopped"}}, true},
		{"crashes", []admin.Task{{Mode: "continuous", Plugin: "greeter", State: "backoff"}}, true},
		{"one of two", []admin.Task{{Mode: "continuous", Plugin: "greeter", State: "running", Processes: runs("new")}, {Mode: "continuous", Plugin: "greeter", State: "starting"}}, false},
	} {
		if got := settled(tt.tasks, plugins); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.want)
		}
	}
}
