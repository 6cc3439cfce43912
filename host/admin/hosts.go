package admin

import (
	"context"
	"net/http"
	"time"
)

// Host returns what the host says of itself.
func (c *Client) Host(ctx context.Context) (Host, error) {
	var h Host
	_, err := c.get(ctx, path("host"), nil, &h)
	return h, err
}

// PauseHost turns all schedules off; what runs goes on.
func (c *Client) PauseHost(ctx context.Context, p Pause) (HostResult, error) {
	return c.hostVerb(ctx, "pause", p)
}

// ResumeHost ends a pause of the host, or a drain.
func (c *Client) ResumeHost(ctx context.Context, p Resume) (HostResult, error) {
	return c.hostVerb(ctx, "resume", p)
}

// DrainHost lets live runs finish and starts nothing new. done reports whether none is left.
func (c *Client) DrainHost(ctx context.Context, v Verb, wait time.Duration) (r HostResult, done bool, err error) {
	status, err := c.post(ctx, path("host", "drain"), waitQuery(wait), v, &r)
	return r, status == http.StatusOK, err
}

// ShutdownHost ends the host, its runs by the ladder.
func (c *Client) ShutdownHost(ctx context.Context, v Verb) (HostResult, error) {
	return c.hostVerb(ctx, "shutdown", v)
}

func (c *Client) hostVerb(ctx context.Context, verb string, body any) (HostResult, error) {
	var r HostResult
	_, err := c.post(ctx, path("host", verb), nil, body, &r)
	return r, err
}

// Groups lists the groups with who holds them and who waits.
func (c *Client) Groups(ctx context.Context) (List[Group], error) {
	var l List[Group]
	_, err := c.get(ctx, path("groups"), nil, &l)
	return l, err
}

// Plugins lists the plugins.
func (c *Client) Plugins(ctx context.Context) (List[Plugin], error) {
	var l List[Plugin]
	_, err := c.get(ctx, path("plugins"), nil, &l)
	return l, err
}

// Plugin returns one plugin with its schemas.
func (c *Client) Plugin(ctx context.Context, name string) (Plugin, error) {
	var p Plugin
	_, err := c.get(ctx, path("plugins", name), nil, &p)
	return p, err
}

// Whoami says who the host takes the caller for.
func (c *Client) Whoami(ctx context.Context) (Whoami, error) {
	var w Whoami
	_, err := c.get(ctx, path("whoami"), nil, &w)
	return w, err
}

// Ready returns nil when the host is ready, else why not.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.do(ctx, call{method: http.MethodGet, path: "/readyz"}, nil)
	return err
}
