package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

// overTCP starts a host that listens on a port of this machine beside its socket.
func overTCP(t *testing.T, hcl string, o admintest.Options) (h *admintest.Host, addr, token string) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = free.Addr().String()
	free.Close()
	o.Config = filepath.Join(t.TempDir(), "config.hcl")
	head := fmt.Sprintf("host {\n  data_dir = \"data\"\n  plugin_dir = \"plugins\"\n  log {\n    level = \"trace\"\n  }\n  admin {\n    listen = [\"unix:data/admin.sock\", %q]\n  }\n}\n", addr)
	if err := os.WriteFile(o.Config, []byte(head+hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	h = admintest.Start(t, o)
	text, err := os.ReadFile(filepath.Join(h.DataDir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	return h, addr, strings.TrimSpace(string(text))
}

// asked is one route of the OpenAPI document, with names of a live host in it.
type asked struct{ method, path string }

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

// everyRoute lists the routes that the host itself documents.
func everyRoute(t *testing.T, addr, token string, fill func(name string) string) (all []asked) {
	t.Helper()
	status, _, body := ask(t, addr, "GET", "/v1/openapi.json", nil, map[string]string{"Authorization": "Bearer " + token})
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatal(err)
	}
	for path, methods := range doc.Paths {
		for method := range methods {
			if method = strings.ToUpper(method); method != "PARAMETERS" {
				all = append(all, asked{method, placeholder.ReplaceAllStringFunc(path, func(p string) string { return fill(strings.Trim(p, "{}")) })})
			}
		}
	}
	if len(all) < 40 {
		t.Fatalf("the document has only %d routes", len(all))
	}
	return all
}

// ask makes one request on a connection of its own; the header Host is the Host.
func ask(t *testing.T, addr, method, path string, body []byte, header map[string]string) (status int, head http.Header, answer []byte) {
	t.Helper()
	status, head, answer, err := attempt(t, addr, method, path, body, header)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return status, head, answer
}

// attempt is ask for requests that the host may cut before they are sent as a whole.
func attempt(t *testing.T, addr, method, path string, body []byte, header map[string]string) (status int, head http.Header, answer []byte, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		if k == "Host" {
			req.Host = v
			continue
		}
		req.Header.Set(k, v)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, resp.Header, answer, err
}

func TestNoRouteAnswersAStranger(t *testing.T) {
	t.Parallel()
	h, addr, token := overTCP(t, neighbour, admintest.Options{Plugins: []string{badPlugin}})
	run := h.UntilRun("neighbour", "succeeded").ID
	routes := everyRoute(t, addr, token, func(name string) string {
		return map[string]string{"task": "neighbour", "run": run, "plugin": "badplugin", "key": "k", "method": "m"}[name]
	})
	bearer := "Bearer " + token
	for _, r := range routes {
		open := r.path == "/healthz" || r.path == "/readyz"
		for name, test := range map[string]struct {
			header map[string]string
			want   int
		}{
			"no token":             {nil, http.StatusUnauthorized},
			"an empty token":       {map[string]string{"Authorization": "Bearer "}, http.StatusUnauthorized},
			"a wrong token":        {map[string]string{"Authorization": "Bearer th_wrong"}, http.StatusUnauthorized},
			"the token as basic":   {map[string]string{"Authorization": "Basic " + token}, http.StatusUnauthorized},
			"half of the token":    {map[string]string{"Authorization": bearer[:len(bearer)-8]}, http.StatusUnauthorized},
			"another host's name":  {map[string]string{"Authorization": bearer, "Host": "evil.example"}, http.StatusMisdirectedRequest},
			"a name that begins":   {map[string]string{"Authorization": bearer, "Host": "127.0.0.1.evil.example"}, http.StatusMisdirectedRequest},
			"another page's write": {map[string]string{"Authorization": bearer, "Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}, http.StatusForbidden},
		} {
			if name == "another page's write" && r.method == "GET" {
				continue // reading changes nothing, and without CORS no page sees the answer
			}
			if open && test.want == http.StatusUnauthorized && test.header["Authorization"] != "Basic "+token && (test.header == nil || test.header["Authorization"] == "Bearer ") {
				continue
			}
			status, head, body := ask(t, addr, r.method, r.path, nil, test.header)
			if status == http.StatusTooManyRequests && strings.Contains(string(body), "login_limited") {
				status = http.StatusUnauthorized // of many wrong tokens it is not said any more which is which
			}
			if status != test.want {
				t.Errorf("%s %s with %s: %d, want %d: %s", r.method, r.path, name, status, test.want, body)
			}
			for key := range head {
				if strings.HasPrefix(key, "Access-Control-") {
					t.Errorf("%s %s with %s: the header %s", r.method, r.path, name, key)
				}
			}
			if bytes.Contains(body, []byte(token)) {
				t.Errorf("%s %s with %s: the token is in the answer", r.method, r.path, name)
			}
		}
	}
	if strings.Contains(h.Output(), token) {
		t.Error("the token is in the log")
	}
}

func TestWhatIsPrivateHasItsMode(t *testing.T) {
	t.Parallel()
	h, _, _ := overTCP(t, neighbour, admintest.Options{Plugins: []string{badPlugin}})
	h.UntilRun("neighbour", "succeeded")
	if info, err := os.Stat(h.DataDir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the data directory: %v %v", info.Mode(), err)
	}
	err := filepath.WalkDir(h.DataDir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		most := fs.FileMode(0o700)
		switch {
		case strings.HasPrefix(path, filepath.Join(h.DataDir, "plugins")) && info.Mode().IsRegular():
			most = 0o755 // a binary is no secret
		case strings.HasPrefix(path, filepath.Join(h.DataDir, "run")) && info.Mode().Type() == fs.ModeSocket:
			return nil // nobody passes the directory that it stands in
		}
		if more := info.Mode().Perm() &^ most; more != 0 {
			t.Errorf("%s has the mode %s", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestStrangeNamesAreNoPaths(t *testing.T) {
	t.Parallel()
	h, addr, token := overTCP(t, neighbour, admintest.Options{Plugins: []string{badPlugin}})
	names := []string{"%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2fadmin.token", "%00", "a%00b", "%ff", "%C3%A9", "%F0%9F%92%A3", "neighbour%2f..", "neighbour.1", "NEIGHBOUR", "-", "_", strings.Repeat("a", 4000), "%20", "*", "a%0d%0aX-Evil:1", "neighbour%00"}
	for _, r := range everyRoute(t, addr, token, func(string) string { return "{}" }) {
		if !strings.Contains(r.path, "{}") {
			continue
		}
		for _, name := range names {
			path := strings.ReplaceAll(r.path, "{}", name)
			status, _, body := ask(t, addr, r.method, path, nil, map[string]string{"Authorization": "Bearer " + token})
			if status < 400 || status >= 500 {
				t.Errorf("%s %.80s: %d %s", r.method, path, status, body)
			}
			if bytes.Contains(body, []byte("root:")) || bytes.Contains(body, []byte(token)) {
				t.Errorf("%s %.80s: %s", r.method, path, body)
			}
		}
	}
	// Of a task that is there, its parts are asked for by strange names.
	for _, name := range names {
		for _, path := range []string{"/v1/tasks/neighbour/checkpoint/" + name, "/v1/tasks/neighbour/logs?run=" + name} {
			status, _, body := ask(t, addr, "GET", path, nil, map[string]string{"Authorization": "Bearer " + token})
			if status < 400 || status >= 500 {
				t.Errorf("GET %.80s: %d %s", path, status, body)
			}
		}
	}
	if err := h.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMonstrousBodiesAreRefused(t *testing.T) {
	t.Parallel()
	h, addr, token := overTCP(t, neighbour, admintest.Options{Plugins: []string{badPlugin}})
	header := map[string]string{"Authorization": "Bearer " + token}
	for name, body := range map[string][]byte{
		"large":   []byte(`{"reason":"` + strings.Repeat("x", 2<<20) + `"}`),
		"deep":    []byte(`{"input":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `}`),
		"no JSON": []byte("{]"),
		"two":     []byte(`{}{}`),
		"unknown": []byte(`{"no_such_field":1}`),
		"NUL":     {0},
		"a list":  []byte(`[]`),
	} {
		for _, r := range everyRoute(t, addr, token, func(string) string { return "neighbour" }) {
			if r.method == "GET" || r.method == "DELETE" || strings.HasPrefix(r.path, "/v1/host/") {
				continue
			}
			status, _, answer, err := attempt(t, addr, r.method, r.path, body, header)
			if err != nil && len(body) > 1<<16 {
				continue // it was refused, and cut, before all of it was sent
			}
			if err != nil {
				t.Errorf("%s %s with a body that is %s: %v", r.method, r.path, name, err)
			}
			if status < 400 || status >= 500 {
				if strings.HasSuffix(r.path, "/checkpoint/neighbour") && (name == "a list" || name == "unknown") {
					continue // a checkpoint may be that
				}
				t.Errorf("%s %s with a body that is %s: %d %.200s", r.method, r.path, name, status, answer)
			}
		}
	}
	if err := h.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}
