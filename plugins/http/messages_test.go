package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/sdk/tasktest"
)

func TestAFetchedPageGoesOnAndABadAddressIsADeadLetter(t *testing.T) {
	t.Parallel()
	var busy atomic.Int64
	url := site(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			http.NotFound(w, r)
		case "/busy":
			if busy.Add(1) == 1 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			fmt.Fprint(w, "now")
		case "/large":
			fmt.Fprint(w, strings.Repeat("x", 2000))
		case "/picture":
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write([]byte{0x89, 'P', 'N', 'G', 0xff})
		default:
			fmt.Fprint(w, "a page for ", r.Header.Get("X-Who"))
		}
	})
	r := tasktest.Run(t, typeNamed("fetch"), "max_body = \"1KiB\"\nheaders = { X-Who = \"you\" }", tasktest.Queue("urls"))
	for _, path := range []string{"/page", "/busy", "/picture", "/gone", "/large"} {
		r.Send(Address{URL: url + path}, tasktest.MessageID(path))
	}
	r.Send(Address{URL: "ftp://nowhere/"}, tasktest.MessageID("scheme"))
	r.WaitHandled()

	got := map[string]Page{}
	for _, m := range r.Emitted("pages") {
		var p Page
		if err := json.Unmarshal([]byte(m.Value), &p); err != nil {
			t.Fatal(err)
		}
		got[strings.TrimPrefix(p.URL, url)] = p
	}
	if p := got["/page"]; p.Body != "a page for you" || p.Status != 200 || p.Fetched.IsZero() {
		t.Errorf("page: %+v", p)
	}
	if p := got["/busy"]; p.Body != "now" {
		t.Errorf("busy: %+v", p)
	}
	if p := got["/picture"]; p.Base64 != "iVBOR/8=" || p.Body != "" || p.ContentType != "image/png" {
		t.Errorf("picture: %+v", p)
	}
	if len(got) != 3 {
		t.Errorf("%d pages went on", len(got))
	}
	reasons := map[string]string{}
	for _, d := range r.DeadLetters() {
		reasons[d.ID] = d.Reason + ": " + d.Error
	}
	want := map[string]string{
		"/gone":  "permanent: the answer is status 404 Not Found",
		"/large": "permanent: the document has more than max_body, 1KiB",
		"scheme": `permanent: url: the scheme is "ftp"; it must be http or https`,
	}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Error(diff)
	}
	if busy.Load() != 2 {
		t.Errorf("a site that was busy was asked %d times", busy.Load())
	}
}

func TestAFetchThatIsKilledSendsNoPageTwice(t *testing.T) {
	t.Parallel()
	url := site(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
	for kill := 1; kill <= 3; kill++ {
		r := tasktest.Run(t, typeNamed("fetch"), "", tasktest.KillBeforeAck(kill))
		for n := range 3 {
			r.Send(Address{URL: fmt.Sprint(url, "/", n)})
		}
		r.Wait()
		r = r.Next()
		r.WaitHandled()
		if n := len(r.Emitted("pages")); n != 3 {
			t.Errorf("killed before acknowledgement %d: %d pages went on, not 3", kill, n)
		}
	}
}

func TestAForwardSendsMessagesAsTheyAre(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	var down atomic.Bool
	down.Store(true)
	url := site(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		got = append(got, strings.Join([]string{r.Method, r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key"), r.Header.Get("X-Key"), string(body)}, " "))
		mu.Unlock()
		if down.Swap(false) {
			http.Error(w, "not yet", http.StatusBadGateway)
			return
		}
		if strings.Contains(string(body), "bad") {
			http.Error(w, "no", http.StatusUnprocessableEntity)
		}
	})
	r := tasktest.Run(t, typeNamed("forward"), fmt.Sprintf("url = %q\nmethod = \"PUT\"\nheaders = { X-Key = \"k\" }", url))
	r.Send(map[string]any{"b": 1, "a": []int{1}}, tasktest.MessageID("one"))
	r.WaitHandled()
	r.Send("bad", tasktest.MessageID("two"))
	r.WaitHandled()
	want := []string{
		`PUT application/json one k {"a":[1],"b":1}`,
		`PUT application/json one k {"a":[1],"b":1}`,
		`PUT application/json two k "bad"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if dead := r.DeadLetters(); len(dead) != 1 || dead[0].ID != "two" || dead[0].Reason != "permanent" {
		t.Errorf("dead letters: %+v", dead)
	}
	if diff := cmp.Diff([]string{"one"}, r.Acknowledged()); diff != "" {
		t.Error(diff)
	}
}

func TestAForwardFollowsOnlyARedirectThatTakesTheMessageAlong(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	url := site(t, func(w http.ResponseWriter, r *http.Request) {
		if status, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/")); err == nil {
			http.Redirect(w, r, "/here", status)
			return
		}
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		got = append(got, r.Method+" "+string(body))
		mu.Unlock()
	})
	for _, c := range []struct {
		method string
		status int
		dead   string
	}{
		{"POST", 301, "the answer is status 301 Moved Permanently"},
		{"POST", 302, "the answer is status 302 Found"},
		{"PUT", 303, "the answer is status 303 See Other"},
		{"POST", 307, ""},
		{"PUT", 308, ""},
	} {
		got = nil
		r := tasktest.Run(t, typeNamed("forward"), fmt.Sprintf("url = \"%s/%d\"\nmethod = %q", url, c.status, c.method))
		r.Send("order")
		r.WaitHandled()
		if c.dead == "" {
			if diff := cmp.Diff([]string{c.method + ` "order"`}, got); diff != "" || len(r.Acknowledged()) != 1 {
				t.Errorf("%d: %d acknowledged (-want +got):\n%s", c.status, len(r.Acknowledged()), diff)
			}
			continue
		}
		if dead := r.DeadLetters(); len(got) != 0 || len(dead) != 1 || dead[0].Error != c.dead {
			t.Errorf("%d: arrived %q, dead letters %+v", c.status, got, dead)
		}
	}
}

func TestAForwardSendsTheConfiguredContentType(t *testing.T) {
	t.Parallel()
	var got atomic.Value
	url := site(t, func(_ http.ResponseWriter, r *http.Request) { got.Store(r.Header.Get("Content-Type")) })
	r := tasktest.Run(t, typeNamed("forward"), fmt.Sprintf("url = %q\nheaders = { content-type = \"application/cloudevents+json\" }", url))
	r.Send("order")
	r.WaitHandled()
	if got.Load() != "application/cloudevents+json" {
		t.Errorf("content type %v", got.Load())
	}
}

func TestFetchAndForwardCheckTheirConfig(t *testing.T) {
	t.Parallel()
	p := tasktest.Binary(t, ".")
	for typ, config := range map[string]string{
		"fetch":   "headers = { \"a b\" = \"c\" }",
		"forward": "url = \"x\"",
	} {
		if err := p.Validate(typ, config); err == nil {
			t.Errorf("%s: %s is valid", typ, config)
		}
	}
	if err := p.Validate("forward", "url = \"http://x/\"\nmethod = \"A B\""); err == nil {
		t.Error("the method A B is valid")
	}
}
