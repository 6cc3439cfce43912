package ui

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// visit begins a session and returns a request that shows it.
func visit(p *Page, token, base string) (*http.Request, *http.Cookie) {
	w := httptest.NewRecorder()
	p.Enter(w, httptest.NewRequest("POST", "/ui/login", nil), token, base)
	c := w.Result().Cookies()[0]
	r := httptest.NewRequest("GET", "/v1/tasks", nil)
	r.AddCookie(c)
	return r, c
}

func worth(p *Page, r *http.Request) string {
	token, _ := p.Token(r)
	return token
}

func TestASessionLivesAnHourWithoutUseAndTwelveInAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Name: "a"})
		defer p.Close()
		idle, _ := visit(p, "one", "/")
		busy, _ := visit(p, "two", "/")
		_, ended := p.Token(busy)
		for range 13 {
			time.Sleep(50 * time.Minute)
			if worth(p, busy) != "two" {
				t.Fatal("a session in use is over before its time")
			}
		}
		if worth(p, idle) != "" {
			t.Error("an unused session is still worth something")
		}
		time.Sleep(wholeLife - 13*50*time.Minute)
		<-ended.Done() // what is streamed to it ends without a request
		if worth(p, busy) != "" {
			t.Error("a session outlives its whole life")
		}
	})
}

func TestALinkIsWorthItsTokenOnceAndForTenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{})
		code, late := p.Link("secret"), p.Link("secret")
		if token, ok := p.Redeem(code); !ok || token != "secret" {
			t.Errorf("the link is worth %q, %v", token, ok)
		}
		if token, ok := p.Redeem(code); ok {
			t.Errorf("a used link is worth %q", token)
		}
		time.Sleep(linkLife)
		if token, ok := p.Redeem(late); ok {
			t.Errorf("an old link is worth %q", token)
		}
		if token, ok := p.Redeem(""); ok {
			t.Errorf("no link is worth %q", token)
		}
	})
}

func TestTheCookieIsForThisHostAlone(t *testing.T) {
	p, other := New(Options{Name: "a"}), New(Options{Name: "b"})
	defer p.Close()
	r, c := visit(p, "secret", "/jobs/")
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/jobs" || c.Secure || c.MaxAge != 0 {
		t.Errorf("the cookie is %+v", c)
	}
	if worth(other, r) != "" || other.cookie == p.cookie {
		t.Error("another host takes the session for one of its own")
	}
	if strings.Contains(c.Value, "secret") {
		t.Error("the cookie tells the token")
	}
	for _, base := range []string{"", "jobs", "/a;b", "/a b", "/\x00", "/" + strings.Repeat("x", 300)} {
		if got := cleanBase(base); got != "/" {
			t.Errorf("cleanBase(%q) = %q", base, got)
		}
	}
}

func TestALogoutEndsTheSessionAndTakesTheCookieBack(t *testing.T) {
	p := New(Options{})
	r, c := visit(p, "secret", "/jobs")
	_, ended := p.Token(r)
	w := httptest.NewRecorder()
	p.Leave(w, r)
	<-ended.Done()
	back := w.Result().Cookies()[0]
	if worth(p, r) != "" || back.Name != c.Name || back.Path != "/jobs" || back.MaxAge >= 0 {
		t.Errorf("after the logout the session is worth %q, and the cookie is %+v", worth(p, r), back)
	}
}

func TestTheOldestSessionMakesRoom(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	p := New(Options{Now: func() time.Time { return now }})
	defer p.Close()
	first, _ := visit(p, "first", "/")
	for range maxSessions {
		now = now.Add(time.Millisecond)
		visit(p, "more", "/")
	}
	if worth(p, first) != "" || len(p.sessions.held) != maxSessions {
		t.Errorf("the first is worth %q among %d", worth(p, first), len(p.sessions.held))
	}
}
