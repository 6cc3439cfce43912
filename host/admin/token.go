package admin

import (
	"context"
	"net/http"
)

// Token is a bearer token that somebody made. A token with tasks, labels or queues is for these alone.
type Token struct {
	ID      string            `json:"id"`
	Name    string            `json:"name"`
	Role    string            `json:"role"`             // producer, viewer, operator, admin
	Tasks   []string          `json:"tasks,omitempty"`  // names; block.* is every instance of a block
	Labels  map[string]string `json:"labels,omitempty"` // tasks with all of them
	Queues  []string          `json:"queues,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Created Time              `json:"created_at"`
	By      string            `json:"created_by"`
	Expires Time              `json:"expires_at,omitzero"`
	Used    Time              `json:"used_at,omitzero"` // last, to the minute
}

// NewToken asks for a token.
type NewToken struct {
	Name    string            `json:"name"`
	Role    string            `json:"role"`
	Tasks   []string          `json:"tasks,omitempty"`
	Labels  map[string]string `json:"labels,omitempty"`
	Queues  []string          `json:"queues,omitempty"`
	Expires Time              `json:"expires_at,omitzero"`
	Reason  string            `json:"reason,omitempty"`
}

// MadeToken is a new token with its text, which is shown this once.
type MadeToken struct {
	Token
	Secret string `json:"secret"`
}

// Tokens lists the tokens.
func (c *Client) Tokens(ctx context.Context) (List[Token], error) {
	var l List[Token]
	_, err := c.get(ctx, path("tokens"), nil, &l)
	return l, err
}

// CreateToken makes a token.
func (c *Client) CreateToken(ctx context.Context, n NewToken) (MadeToken, error) {
	var t MadeToken
	_, err := c.post(ctx, path("tokens"), nil, n, &t)
	return t, err
}

// RevokeToken ends a token at once, also for what goes on with it.
func (c *Client) RevokeToken(ctx context.Context, name string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, path: path("tokens", name)}, nil)
	return err
}
