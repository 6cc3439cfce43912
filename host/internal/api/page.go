package api

import (
	"context"
	"net/http"
	"strings"
)

// Page is the host's web page: its files and the sessions of who has it open. Implemented by *ui.Page.
type Page interface {
	ServeFile(w http.ResponseWriter, r *http.Request, name string) bool
	// Token is what the session that the request shows is worth; "" without one. What goes on for it ends with ended.
	Token(r *http.Request) (token string, ended context.Context)
	Redeem(code string) (token string, ok bool) // of a one-time link
	Enter(w http.ResponseWriter, r *http.Request, token, base string)
	Leave(w http.ResponseWriter, r *http.Request)
	Forget(r *http.Request)
}

// pageRoutes serve the page. They are no part of the API: programs have no use for them.
var pageRoutes = []route{
	{"GET", "/{$}", Anyone, "", true, (*API).toPage},
	{"GET", "/ui", Anyone, "", true, (*API).toPage},
	{"GET", "/ui/{file...}", Anyone, "", true, (*API).pageFile},
	{"POST", "/ui/login", Anyone, "", false, (*API).login},
	{"POST", "/ui/logout", Anyone, "", false, (*API).logout},
}

// withPage adds the page to the routes when there is one.
func (a *API) withPage(rows []route) []route {
	if a.Page == nil {
		return rows
	}
	return append(rows[:len(rows):len(rows)], pageRoutes...)
}

// visitor is who has the session that the request shows; nobody without one. A session is worth what its
// token is worth now.
func (a *API) visitor(r *http.Request, p peer) Identity {
	if a.Page == nil {
		return Identity{}
	}
	text, ended := a.Page.Token(r)
	if text == "" {
		return Identity{}
	}
	who, err := a.holder(r, p, text)
	if err != nil {
		a.Page.Forget(r)
		return Identity{}
	}
	who.session = ended
	return who
}

// whileVisiting cancels a request, a stream too, when the session that made it ends.
func whileVisiting(who Identity, cancel context.CancelCauseFunc) (done func()) {
	if who.session == nil {
		return func() {}
	}
	stop := context.AfterFunc(who.session, func() { cancel(refuse("token_missing", "the session of the page has ended").with("log in again")) })
	return func() { stop() }
}

// toPage sends a browser on. The place is relative: a proxy may have put a path before it.
func (a *API) toPage(r *request) (any, error) {
	r.w.Header().Set("Location", "ui/")
	r.w.WriteHeader(http.StatusTemporaryRedirect)
	return streamed{}, nil
}

func (a *API) pageFile(r *request) (any, error) {
	if !a.Page.ServeFile(r.w, r.Request, r.PathValue("file")) {
		return nil, refuse("route_unknown", "the page has no file %q", short(r.PathValue("file"))).with("the page is at ui/")
	}
	return streamed{}, nil
}

// loginRequest is the body of a login: either of the two, and the path below which the browser sees the host.
type loginRequest struct {
	Token string `json:"token"`
	Once  string `json:"once"`
	Base  string `json:"base"`
}

func (a *API) login(r *request) (any, error) {
	var q loginRequest
	if err := r.decode(&q); err != nil {
		return nil, err
	}
	text := strings.TrimSpace(q.Token)
	if q.Once != "" {
		var ok bool
		if text, ok = a.Page.Redeem(q.Once); !ok {
			return nil, a.wrong(r.Request, peerOf(r.Context()), refuse("token_wrong", "the link was used already, or is older than ten minutes").
				with("log in with a token: the host's own stands in admin.token in its data_dir"))
		}
	}
	who, err := a.holder(r.Request, peerOf(r.Context()), text)
	if err != nil {
		return nil, err
	}
	if !who.Role.May(Viewer) {
		return nil, refuse("forbidden", "the page needs the role %s; %s has the role %s", Viewer, who.Name, who.Role)
	}
	a.Page.Enter(r.w, r.Request, text, q.Base)
	a.Log.Info("somebody opened the page", "by", who.Name, "remote", r.RemoteAddr)
	return nil, nil
}

func (a *API) logout(r *request) (any, error) {
	a.Page.Leave(r.w, r.Request)
	return nil, nil
}
