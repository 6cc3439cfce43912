package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Config says which configuration holds, whether the disk says otherwise, and what came of the last reload.
func (c *Client) Config(ctx context.Context) (Config, error) {
	var out Config
	_, err := c.get(ctx, path("config"), nil, &out)
	return out, err
}

// Plan says what would come of a reload or, with a generation, of a rollback to it. Nothing changes.
func (c *Client) Plan(ctx context.Context, generation int) (Plan, error) {
	var out Plan
	body := struct {
		Generation int `json:"generation,omitempty"`
	}{generation}
	_, err := c.post(ctx, path("config", "plan"), nil, body, &out)
	return out, err
}

// Apply makes the files hold as they are now. With ifGeneration it does so only while that one holds; 0 is any.
func (c *Client) Apply(ctx context.Context, a Apply, ifGeneration int) (Applied, error) {
	return c.replaceConfig(ctx, "apply", a, ifGeneration)
}

// Rollback makes the files of an earlier generation hold again, as a new one. See Apply for ifGeneration.
func (c *Client) Rollback(ctx context.Context, r Rollback, ifGeneration int) (Applied, error) {
	return c.replaceConfig(ctx, "rollback", r, ifGeneration)
}

func (c *Client) replaceConfig(ctx context.Context, verb string, body any, ifGeneration int) (Applied, error) {
	r := call{method: http.MethodPost, path: path("config", verb), body: body}
	if ifGeneration > 0 {
		r.header = map[string]string{"If-Match": strconv.Quote(strconv.Itoa(ifGeneration))}
	}
	var out Applied
	_, err := c.do(ctx, r, &out)
	return out, err
}

// Generations lists those that are remembered, the newest first.
func (c *Client) Generations(ctx context.Context) (List[Generation], error) {
	var l List[Generation]
	_, err := c.get(ctx, path("config", "generations"), nil, &l)
	return l, err
}

// Generation is one of them with what changed with it and what it says.
func (c *Client) Generation(ctx context.Context, number int) (GenerationDetail, error) {
	var out GenerationDetail
	_, err := c.get(ctx, path("config", "generations", strconv.Itoa(number)), nil, &out)
	return out, err
}

// GenerationDiff says how a generation differs from another one; to 0 is the one that holds.
func (c *Client) GenerationDiff(ctx context.Context, from, to int) (GenerationDiff, error) {
	q := url.Values{}
	if to > 0 {
		q.Set("to", strconv.Itoa(to))
	}
	var out GenerationDiff
	_, err := c.get(ctx, path("config", "generations", strconv.Itoa(from), "diff"), q, &out)
	return out, err
}
