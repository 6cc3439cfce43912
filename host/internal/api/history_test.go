package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
)

func TestRunsAreSelectedByTheLabelsOfTheirTasks(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	for _, name := range []string{"quick", "check.www.example.org", "check.shop.example.org"} {
		if _, err := c.StartRun(t.Context(), name, admin.RunRequest{}, "", time.Second); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name  string
		query admin.RunQuery
		want  int
	}{
		{"by label", admin.RunQuery{Labels: map[string]string{"customer": "acme"}}, 2},
		{"by label and task", admin.RunQuery{Labels: map[string]string{"customer": "acme"}, Tasks: []string{"check.www.example.org", "quick"}}, 1},
		{"by a label that nobody has", admin.RunQuery{Labels: map[string]string{"customer": "other"}}, 0},
		{"by two labels", admin.RunQuery{Labels: map[string]string{"customer": "acme", "team": "shop"}}, 0},
		{"by label and outcome", admin.RunQuery{Labels: map[string]string{"team": "shop"}, Outcomes: []string{"succeeded"}, Triggers: []string{"manual"}}, 1},
		{"by a time that is over", admin.RunQuery{Until: apitest.Epoch}, 0},
		{"since then", admin.RunQuery{Since: apitest.Epoch, States: []string{"ended"}}, 3},
	} {
		got, err := c.Runs(t.Context(), tc.query)
		if err != nil || len(got.Items) != tc.want {
			t.Errorf("%s: %d runs, %v; want %d", tc.name, len(got.Items), err, tc.want)
		}
	}
	page, err := c.Runs(t.Context(), admin.RunQuery{Labels: map[string]string{"customer": "acme"}, Limit: 1})
	if err != nil || page.Next() == "" {
		t.Fatalf("a page of one: %+v, %v", page, err)
	}
	if rest, err := c.Runs(t.Context(), admin.RunQuery{Labels: map[string]string{"customer": "acme"}, Cursor: page.Next()}); err != nil || len(rest.Items) != 1 {
		t.Errorf("the rest: %+v, %v", rest, err)
	}
	_, err = c.Runs(t.Context(), admin.RunQuery{Cursor: page.Next()})
	isProblem(t, err, 422, "invalid")
	_, err = c.Slots(t.Context(), "quick", 0, page.Next())
	isProblem(t, err, 422, "invalid")
	for _, wrong := range []string{"label.team=a&label.team=b", "outcome=succeded", "trigger=cron", "state=dead", "since=yesterday", "until=12", "limit=501", "label=x"} {
		if res, p := ask(t, l, route{"GET", "/v1/runs?" + wrong}, withToken); res.StatusCode != 400 || p.Code != "query_invalid" {
			t.Errorf("%s: %d %+v", wrong, res.StatusCode, p)
		}
	}
	for _, wrong := range []string{"x", "AAAA", "%00", strings.Repeat("x", 4000)} {
		if res, p := ask(t, l, route{"GET", "/v1/runs?cursor=" + wrong}, withToken); res.StatusCode != 422 {
			t.Errorf("cursor %.10s: %d %+v", wrong, res.StatusCode, p)
		}
	}
}

func TestATaskThatIsGoneLeavesItsHistory(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	c := client(t, l)
	run, err := c.StartRun(t.Context(), "failing", admin.RunRequest{}, "", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	l.Logs.Add("info", "hello")
	l.Fleet.Remove("failing")
	l.Fleet.Remove("off") // has never run
	_, err = c.Task(t.Context(), "failing")
	if p := isProblem(t, err, 410, "task_gone"); !strings.Contains(p.Remedy, "/v1/tasks/failing/runs") || p.Task != "failing" {
		t.Errorf("gone: %+v", p)
	}
	_, _, err = c.Stop(t.Context(), "failing", admin.Verb{}, 0)
	isProblem(t, err, 410, "task_gone")
	_, err = c.RetryRun(t.Context(), run.ID, "", 0)
	isProblem(t, err, 410, "task_gone")
	for _, path := range []string{"/v1/tasks/failing/runs", "/v1/tasks/failing/slots", "/v1/tasks/failing/logs", "/v1/runs/" + run.ID, "/v1/runs?task=failing"} {
		if res, p := ask(t, l, route{"GET", path}, withToken); res.StatusCode != 200 {
			t.Errorf("GET %s: %d %+v", path, res.StatusCode, p)
		}
	}
	_, err = c.Task(t.Context(), "off")
	isProblem(t, err, 404, "task_unknown")
	if res, p := ask(t, l, route{"GET", "/v1/tasks/off/runs"}, withToken); res.StatusCode != 404 {
		t.Errorf("runs of a task that never ran: %d %+v", res.StatusCode, p)
	}
}
