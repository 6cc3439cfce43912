package api_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/access"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
)

// caller is somebody who makes requests, and what he may do.
type caller struct {
	name  string
	token string
	role  api.Role
	wrong bool // what he shows lets nobody in
	scope access.Scope
}

// way is a transport to a live API.
type way struct {
	socket  bool
	name    string
	base    string
	ingress bool
	dial    func(ctx context.Context) (net.Conn, error) // nil is TCP
	trust   *tls.Config
	peer    api.Role // who shows nothing has this role
	known   bool     // who shows nothing is somebody all the same
}

func (w way) client() *http.Client {
	t := &http.Transport{TLSClientConfig: w.trust, MaxIdleConnsPerHost: 4}
	if w.dial != nil {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dial(ctx) }
	}
	return &http.Client{Transport: t}
}

// made makes a token that does not expire and returns its text.
func made(t *testing.T, l *apitest.Live, name string, role api.Role, scope access.Scope) string {
	t.Helper()
	_, text, err := l.Tokens.Create(access.Token{Name: name, Role: role, Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// callers are all kinds of them.
func callers(t *testing.T, l *apitest.Live, clock *clock) []caller {
	t.Helper()
	check := access.Scope{Tasks: []string{"check.*"}}
	all := []caller{
		{name: "nobody"},
		{name: "with a wrong token", token: access.NewText(), wrong: true},
		{name: "with a revoked token", token: made(t, l, "revoked", api.Admin, access.Scope{}), wrong: true},
		{name: "admin", token: apitest.Token, role: api.Admin},
		{name: "producer of the file", token: apitest.Producer, role: api.Producer},
		{name: "viewer of check", token: made(t, l, "board-of-check", api.Viewer, check), role: api.Viewer, scope: check},
		{name: "operator of check", token: made(t, l, "ci-of-check", api.Operator, check), role: api.Operator, scope: check},
	}
	for role := api.Producer; role <= api.Admin; role++ {
		all = append(all, caller{name: role.String(), token: made(t, l, "a-"+role.String(), role, access.Scope{}), role: role})
	}
	_, expiring, err := l.Tokens.Create(access.Token{Name: "expired", Role: api.Admin, Expires: clock.now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	clock.add(2 * time.Hour)
	if err := l.Tokens.Revoke("revoked"); err != nil {
		t.Fatal(err)
	}
	return append(all, caller{name: "with an expired token", token: expiring, wrong: true})
}

// ways are all transports.
func ways(t *testing.T, l *apitest.Live) []way {
	t.Helper()
	trust, err := l.Authority.Client("", "")
	if err != nil {
		t.Fatal(err)
	}
	socket, _ := strings.CutPrefix(l.Unix, "unix:")
	all := []way{
		{name: "unix", socket: true, base: "http://th", peer: api.Admin, known: true, dial: func(ctx context.Context) (net.Conn, error) { return admin.DialUnix(ctx, socket) }},
		{name: "tcp", base: "http://" + l.TCP},
		{name: "tls", base: "https://" + l.TLS, trust: trust},
		{name: "ingress", base: "http://" + l.Ingress, ingress: true},
	}
	for name, role := range map[string]api.Role{"viewer.example": api.Viewer, "operator.example": api.Operator, "admin.example": api.Admin, "producer.example": api.Producer, "stranger.example": api.Anyone} {
		cert, key, err := l.Authority.Issue(name, name, 0)
		if err != nil {
			t.Fatal(err)
		}
		mutual, err := l.Authority.Client(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, way{name: "mtls as " + name, base: "https://" + l.MTLS, trust: mutual, peer: role, known: true})
	}
	return all
}

// wanted are the statuses that a caller may get, by the route's role alone; nil is any but a refusal for want
// of a right.
func wanted(c caller, w way, r api.RouteDoc) []int {
	role, known := c.role, c.role != api.Anyone
	if c.token == "" {
		role, known = w.peer, w.known
	}
	served := !w.ingress || r.Role == api.Producer || r.Path == "/healthz"
	within := strings.Contains(r.Path, "{task}") || strings.Contains(r.Path, "{run}") || strings.Contains(r.Path, "{queue}")
	switch {
	case c.wrong:
		return []int{401}
	case served && r.Role == api.Anyone:
		return nil
	case !known:
		return []int{401}
	case role == api.Anyone: // a certificate that says nothing to the host
		return []int{403}
	case !served:
		return []int{404}
	case !role.May(r.Role):
		return []int{403}
	case strings.HasPrefix(r.Path, "/debug/pprof") && !w.socket: // for admins on the machine itself
		return []int{403}
	case !c.scope.All() && within:
		return []int{404} // the names that the test fills in lie outside
	case !c.scope.All():
		return []int{200, 202, 400, 403, 404, 422} // what it shows is looked at below
	}
	return nil
}

// outsideNames are of what the scope check.* does not hold.
var outsideNames = []string{`"clock"`, `"loader"`, `"quick"`, `"failing"`, `"slow"`, `"stubborn"`, `"nightly"`, `"off"`, `"urls"`, `"pages"`, `"broken"`}

// TestEveryRouteForEveryCallerOnEveryTransport is made from the table of routes: a new row is covered as it stands.
func TestEveryRouteForEveryCallerOnEveryTransport(t *testing.T) {
	t.Parallel()
	clock := &clock{at: apitest.Epoch}
	l := apitest.Start(t, "", func(c *api.Config) { c.Now = clock.now })
	all := callers(t, l, clock)
	for _, w := range ways(t, l) {
		client := w.client()
		defer client.CloseIdleConnections()
		for i, r := range api.Reference() {
			for _, c := range all {
				status, body := request(t, client, w, c, r, allRoutes()[i].path)
				want := wanted(c, w, r)
				if want == nil && slices.Contains([]int{401, 403, 421}, status) || want != nil && !slices.Contains(want, status) {
					t.Errorf("%s %s over %s by %s: %d, want %v: %s", r.Method, r.Path, w.name, c.name, status, want, body)
				}
				if strings.Contains(r.Path, "openapi") {
					continue
				}
				for _, name := range outsideNames {
					if !c.scope.All() && strings.Contains(body, name) && !strings.Contains(body, `"request_id"`) {
						t.Errorf("%s %s over %s shows %s to %s: %s", r.Method, r.Path, w.name, name, c.name, body)
					}
				}
			}
		}
	}
	if t.Failed() {
		return
	}
	if n := len(l.Tokens.List()); n != len(all)-5 { // those of files, of nobody, the wrong and the revoked one are not there
		t.Errorf("%d tokens are left of %d callers", n, len(all))
	}
}

// request makes the request and returns what came of it. Of a stream it reads nothing.
func request(t *testing.T, client *http.Client, w way, c caller, r api.RouteDoc, path string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, w.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s over %s by %s: %v", r.Method, path, w.name, c.name, err)
	}
	defer res.Body.Close()
	if r.Stream && res.Header.Get("Content-Type") == "text/event-stream" {
		return res.StatusCode, ""
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("%s %s: %v", r.Method, path, err)
	}
	if res.StatusCode >= 400 {
		var p admin.Problem
		if err := json.Unmarshal(body, &p); err != nil || p.Code == "" || p.Remedy == "" {
			t.Errorf("%s %s over %s by %s: the refusal is no problem document: %s", r.Method, path, w.name, c.name, body)
		}
	}
	return res.StatusCode, string(body)
}

func TestWithoutAClientCertificateThereIsNoConnection(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	trust, err := l.Authority.Client("", "")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := apitest.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := elsewhere.Issue("admin", "admin.example", 0)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := l.Authority.Client(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		trust *tls.Config
		says  string
	}{"without one": {trust, "-tls-cert and -tls-key"}, "with that of another authority": {foreign, "client_ca_file"}} {
		client, err := admin.New("https://"+l.MTLS, admin.Options{TLS: c.trust, Token: apitest.Token})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Whoami(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		client.Close()
	}
}
