package api_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
	"github.com/taskhost/taskhost/host/internal/ui"
)

func startWithPage(t *testing.T) (*apitest.Live, *ui.Page) {
	t.Helper()
	page := ui.New(ui.Options{Name: "test"})
	t.Cleanup(page.Close)
	return apitest.Start(t, "", func(c *api.Config) { c.Page = page }), page
}

// loginWith posts a login and returns the answer.
func loginWith(t *testing.T, l *apitest.Live, body string) (*http.Response, string) {
	t.Helper()
	res, p := ask(t, l, route{"POST", "/ui/login"}, func(r *http.Request) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Type", "application/json")
	})
	return res, p.Code
}

func withCookies(all []*http.Cookie) func(*http.Request) {
	return func(r *http.Request) {
		for _, c := range all {
			r.AddCookie(c)
		}
	}
}

func TestTheFilesOfThePageNeedNoToken(t *testing.T) {
	t.Parallel()
	l, _ := startWithPage(t)
	for path, want := range map[string]int{"/ui/": 200, "/ui/main.js": 200, "/ui/parts/log.js": 200, "/ui/nope.js": 404, "/ui/../v1/tasks": 401, "/": 307, "/ui": 307} {
		res, _ := ask(t, l, route{"GET", path}, nil)
		if res.StatusCode != want {
			t.Errorf("GET %s: %d, want %d", path, res.StatusCode, want)
		}
		if want == 307 && res.Header.Get("Location") != "ui/" {
			t.Errorf("GET %s sends to %q; behind a proxy only a relative place is right", path, res.Header.Get("Location"))
		}
		if want == 200 && !strings.Contains(res.Header.Get("Content-Security-Policy"), "script-src 'self'") {
			t.Errorf("GET %s has the policy %q", path, res.Header.Get("Content-Security-Policy"))
		}
	}
}

func TestASessionIsWorthItsTokenUntilTheLogout(t *testing.T) {
	t.Parallel()
	l, _ := startWithPage(t)
	res, code := loginWith(t, l, `{"token":"`+apitest.Token+`"}`)
	if res.StatusCode != 204 || len(res.Cookies()) != 1 {
		t.Fatalf("login: %d %s, %d cookies", res.StatusCode, code, len(res.Cookies()))
	}
	session := withCookies(res.Cookies())
	for _, r := range []route{{"GET", "/v1/tasks"}, {"GET", "/v1/whoami"}, {"POST", "/v1/tasks/quick/pause"}} {
		if res, p := ask(t, l, r, session); res.StatusCode != 200 {
			t.Errorf("%s %s with the session: %d %s", r.method, r.path, res.StatusCode, p.Code)
		}
	}
	if res, _ := ask(t, l, route{"POST", "/ui/logout"}, session); res.StatusCode != 204 {
		t.Errorf("logout: %d", res.StatusCode)
	}
	if res, p := ask(t, l, route{"GET", "/v1/tasks"}, session); res.StatusCode != 401 || p.Code != "token_missing" {
		t.Errorf("after the logout: %d %s", res.StatusCode, p.Code)
	}
}

func TestAPageOfAnotherOriginCannotUseTheSession(t *testing.T) {
	t.Parallel()
	l, _ := startWithPage(t)
	res, _ := loginWith(t, l, `{"token":"`+apitest.Token+`"}`)
	foreign := func(r *http.Request) {
		withCookies(res.Cookies())(r)
		r.Header.Set("Origin", "http://evil.example")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
	}
	for _, path := range []string{"/v1/tasks/quick/stop", "/ui/logout", "/ui/login"} {
		if res, p := ask(t, l, route{"POST", path}, foreign); res.StatusCode != 403 || p.Code != "cross_origin" {
			t.Errorf("POST %s: %d %s", path, res.StatusCode, p.Code)
		}
	}
}

func TestALoginNeedsATokenThatMayLook(t *testing.T) {
	t.Parallel()
	l, page := startWithPage(t)
	used := page.Link(apitest.Token)
	if res, code := loginWith(t, l, `{"once":"`+used+`"}`); res.StatusCode != 204 {
		t.Errorf("login by link: %d %s", res.StatusCode, code)
	}
	for body, want := range map[string]string{
		`{"once":"` + used + `"}`:                              "token_wrong",
		`{"token":"th_wrong"}`:                                 "token_wrong",
		`{"token":"` + apitest.Producer + `"}`:                 "forbidden",
		`{"once":"` + page.Link("th_revoked meanwhile") + `"}`: "token_wrong",
		`{}`:                                  "token_wrong",
		`{"password":"x"}`:                    "body_invalid",
		`{"token":"` + apitest.Token:          "body_invalid",
		`{"token":["` + apitest.Token + `"]}`: "body_invalid",
	} {
		res, code := loginWith(t, l, body)
		if code != want || len(res.Cookies()) != 0 {
			t.Errorf("login with %s: %d %s and %d cookies, want %s and none", body, res.StatusCode, code, len(res.Cookies()), want)
		}
	}
}

func TestALogoutCutsWhatIsStreamedToTheSession(t *testing.T) {
	t.Parallel()
	l, _ := startWithPage(t)
	res, _ := loginWith(t, l, `{"token":"`+apitest.Token+`"}`)
	session := withCookies(res.Cookies())
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.TCP+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	session(req)
	stream, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	if stream.StatusCode != 200 {
		t.Fatalf("events: %d", stream.StatusCode)
	}
	ask(t, l, route{"POST", "/ui/logout"}, session)
	if _, err := bufio.NewReader(stream.Body).ReadString(0); err != io.EOF { // the test's own deadline ends it otherwise
		t.Errorf("the stream ends with %v", err)
	}
}

func TestAHostWithoutAPageHasNoLogin(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	for _, r := range []route{{"POST", "/ui/login"}, {"GET", "/ui/"}, {"GET", "/"}} {
		if res, _ := ask(t, l, r, withToken); res.StatusCode != 404 {
			t.Errorf("%s %s: %d", r.method, r.path, res.StatusCode)
		}
	}
}
