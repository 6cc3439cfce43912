package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/access"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
	"github.com/taskhost/taskhost/host/internal/task"
)

// holder is a client with a token of its own.
func holder(t *testing.T, l *apitest.Live, name string, role api.Role, scope access.Scope) *admin.Client {
	t.Helper()
	c, err := admin.New(l.TCP, admin.Options{Token: made(t, l, name, role, scope)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func names(t *testing.T, c *admin.Client) []string {
	t.Helper()
	tasks, err := c.AllTasks(t.Context(), admin.TaskQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, one := range tasks {
		all = append(all, one.Name)
	}
	return all
}

func TestATokenSeesTheTasksThatItIsFor(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	for name, c := range map[string]struct {
		scope access.Scope
		want  []string
	}{
		"by-name":   {access.Scope{Tasks: []string{"quick", "nope"}}, []string{"quick"}},
		"by-block":  {access.Scope{Tasks: []string{"check.*"}}, []string{"check.shop.example.org", "check.www.example.org"}},
		"by-label":  {access.Scope{Labels: map[string]string{"customer": "acme"}}, []string{"check.shop.example.org", "check.www.example.org"}},
		"of-queues": {access.Scope{Queues: []string{"urls"}}, nil},
	} {
		if got := names(t, holder(t, l, name, api.Viewer, c.scope)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	queues, err := holder(t, l, "urls", api.Viewer, access.Scope{Queues: []string{"urls"}}).Queues(t.Context())
	if err != nil || len(queues.Items) != 1 || queues.Items[0].Name != "urls" {
		t.Errorf("queues: %+v %v", queues, err)
	}
}

func TestAnOperatorCommandsHisTasksAndNoOthers(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := holder(t, l, "ci", api.Operator, access.Scope{Tasks: []string{"slow"}})
	run, err := c.StartRun(t.Context(), "slow", admin.RunRequest{}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := client(t, l).StartRun(t.Context(), "stubborn", admin.RunRequest{}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Run(t.Context(), run.ID, 0); err != nil {
		t.Errorf("his run: %v", err)
	}
	runs, err := c.Runs(t.Context(), admin.RunQuery{})
	if err != nil || len(runs.Items) != 1 || runs.Items[0].ID != run.ID {
		t.Errorf("his runs: %+v %v", runs.Items, err)
	}
	if runs, err := c.Runs(t.Context(), admin.RunQuery{Tasks: []string{"stubborn"}}); err != nil || len(runs.Items) != 0 {
		t.Errorf("runs of another's task: %+v %v", runs.Items, err)
	}
	if _, err := c.Run(t.Context(), foreign.ID, 0); problemCode(err) != task.CodeRunUnknown {
		t.Errorf("another's run: %v", err)
	}
	if _, _, err := c.CancelRun(t.Context(), foreign.ID, admin.Verb{}, 0); problemCode(err) != task.CodeRunUnknown {
		t.Errorf("cancel another's run: %v", err)
	}
	got, _, err := c.Act(t.Context(), admin.Action{Verb: "pause", Select: admin.Select{"name": "*"}}, 0)
	if err != nil || got.Matched != 1 || len(got.Results) != 1 || got.Results[0].Task != "slow" {
		t.Errorf("an action: %+v %v", got, err)
	}
	for _, d := range apitest.Definitions() {
		if s, _ := l.Store.Status(d.Name); (s.Paused != nil) != (d.Name == "slow") {
			t.Errorf("after the action %s is paused: %+v", d.Name, s.Paused)
		}
	}
	if _, err := c.Pause(t.Context(), "quick", admin.Pause{}); problemCode(err) != task.CodeTaskUnknown {
		t.Errorf("pause another's task: %v", err)
	}
	if _, err := c.PauseHost(t.Context(), admin.Pause{}); problemCode(err) != "forbidden" {
		t.Errorf("pause the host: %v", err)
	}
}

func problemCode(err error) string {
	if p := admin.AsProblem(err); p != nil {
		return p.Code
	}
	return fmt.Sprint(err)
}

func TestWhatATokenIsNotForIsRefusedAsIfItWereNotThere(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	token := made(t, l, "board", api.Operator, access.Scope{Tasks: []string{"check.*"}})
	foreign, err := client(t, l).StartRun(t.Context(), "slow", admin.RunRequest{}, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	const noRun = "01kb3v0000000000000000000a"
	for _, c := range []struct{ hidden, missing, path string }{
		{"slow", "slov", "/v1/tasks/%s"}, {"check", "chick", "/v1/tasks/%s/logs"}, {foreign.ID, noRun, "/v1/runs/%s"}, {"urls", "urlz", "/v1/queues/%s"},
	} {
		refusal := func(name string) string {
			res, p := ask(t, l, route{"GET", fmt.Sprintf(c.path, name)}, as(token))
			if res.StatusCode != 404 {
				t.Errorf(c.path+": %d", name, res.StatusCode)
			}
			p.RequestID = ""
			text, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			return strings.ReplaceAll(string(text), name, "NAME")
		}
		if hidden, missing := refusal(c.hidden), refusal(c.missing); hidden != missing && c.hidden != "check" {
			t.Errorf("%s is told from %s:\n%s\n%s", c.hidden, c.missing, hidden, missing)
		}
	}
}

func TestEventsAreThoseOfTheTasksThatTheTokenIsFor(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := holder(t, l, "board", api.Viewer, access.Scope{Labels: map[string]string{"customer": "acme"}})
	first := l.Store.LastEvent()
	for _, name := range []string{"slow", "check.www.example.org", "quick"} {
		if _, err := client(t, l).Pause(t.Context(), name, admin.Pause{}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	seen := 0
	for e, err := range c.Events(ctx, admin.EventQuery{After: first}) {
		if err != nil || e.Task != "check.www.example.org" {
			t.Fatalf("%+v %v", e, err)
		}
		if seen++; seen == 2 {
			break
		}
		for _, name := range []string{"quick", "check.www.example.org"} { // a live one of each
			if _, err := client(t, l).Resume(ctx, name, admin.Resume{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d events, want 2", seen)
	}
}

// entered tells when a handler has begun to work on a task.
type entered struct {
	api.Fleet
	began chan struct{}
}

func (e entered) Definition(name string) (task.Definition, bool) {
	select {
	case e.began <- struct{}{}:
	default:
	}
	return e.Fleet.Definition(name)
}

func TestAStreamAndAWaitEndWithTheirToken(t *testing.T) {
	t.Parallel()
	clock, began := &clock{at: apitest.Epoch}, make(chan struct{}, 1)
	l := apitest.Start(t, "", func(c *api.Config) { c.Now, c.Fleet = clock.now, entered{c.Fleet, began} })
	for i, path := range []string{"/v1/events", "/v1/tasks/quick/logs?follow=1", "/v1/tasks/quick?wait=10m&until=stopped"} {
		for j, end := range []func(name string) error{
			l.Tokens.Revoke,
			func(string) error { clock.add(time.Minute); return nil },
		} {
			name := fmt.Sprintf("t%d-%d", i, j)
			_, text, err := l.Tokens.Create(access.Token{Name: name, Role: api.Viewer, Expires: clock.now().Add(50 * time.Millisecond)})
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- hold(t.Context(), "http://"+l.TCP+path, text, began) }()
			<-began
			if err := end(name); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
			case <-time.After(20 * time.Second):
				t.Errorf("%s goes on without its token", path)
			}
			for len(began) > 0 {
				<-began
			}
		}
	}
}

// hold makes a request and reads it to its end. A refusal must be one of the token.
func hold(ctx context.Context, url, token string, began chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	select {
	case began <- struct{}{}:
	default:
	}
	if res.StatusCode == http.StatusOK {
		for buf := make([]byte, 1024); err == nil; {
			_, err = res.Body.Read(buf)
		}
		return ctx.Err()
	}
	var p admin.Problem
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
		return err
	}
	if (p.Code != "token_wrong" || !strings.HasSuffix(p.Detail, "was revoked")) && p.Code != "token_expired" {
		return errors.New(p.Code + ": " + p.Detail)
	}
	return nil
}
