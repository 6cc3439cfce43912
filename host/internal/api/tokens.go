package api

import (
	"errors"
	"net/http"
	"strings"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/access"
	"github.com/taskhost/taskhost/host/internal/task"
)

func tokenOf(t access.Token) admin.Token {
	return admin.Token{
		ID: t.ID, Name: t.Name, Role: t.Role.String(), Tasks: t.Scope.Tasks, Labels: t.Scope.Labels, Queues: t.Scope.Queues,
		Reason: t.Reason, Created: admin.At(t.Created), By: t.By, Expires: admin.At(t.Expires), Used: admin.At(t.Used),
	}
}

func (a *API) listTokens(*request) (any, error) {
	items := []admin.Token{}
	for _, t := range a.Tokens.List() {
		items = append(items, tokenOf(t))
	}
	return ended(items), nil
}

func (a *API) createToken(r *request) (any, error) {
	var q admin.NewToken
	if err := r.decode(&q); err != nil {
		return nil, err
	}
	role, err := access.ParseRole(q.Role)
	if err != nil {
		return nil, refuse(task.CodeInvalid, "the token's role: %v", err)
	}
	t, text, err := a.Tokens.Create(access.Token{
		Name: q.Name, Role: role, Scope: access.Scope{Tasks: q.Tasks, Labels: q.Labels, Queues: q.Queues},
		Reason: q.Reason, By: r.who.Name, Expires: q.Expires.Time,
	})
	switch {
	case errors.Is(err, access.ErrInvalid):
		return nil, refuse(task.CodeInvalid, "%s", strings.TrimPrefix(err.Error(), access.ErrInvalid.Error()+": "))
	case errors.Is(err, access.ErrTaken):
		return nil, refuse("token_exists", "there is a token %q already", q.Name)
	case errors.Is(err, access.ErrFull):
		return nil, refuse("limit", "%v", err).with("revoke those that nobody uses: taskhost token list shows when each was used last")
	case err != nil:
		return nil, err
	}
	a.Log.Info("token made", "token", t.Name, "id", t.ID, "role", t.Role.String(), "by", r.who.Name)
	return answer{status: http.StatusCreated, header: map[string]string{"Location": "/v1/tokens/" + t.Name}, body: admin.MadeToken{Token: tokenOf(t), Secret: text}}, nil
}

func (a *API) revokeToken(r *request) (any, error) {
	name := r.PathValue("token")
	err := a.Tokens.Revoke(name)
	if errors.Is(err, access.ErrUnknown) {
		var names []string
		for _, t := range a.Tokens.List() {
			names = append(names, t.Name)
		}
		return nil, unknown("token_unknown", "token", short(name), "taskhost token list lists the tokens", names)
	}
	if err != nil {
		return nil, refuse("store_unavailable", "%v", err)
	}
	a.Log.Info("token revoked", "token", name, "by", r.who.Name)
	return nil, nil
}
