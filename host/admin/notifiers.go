package admin

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Notifiers lists the notifiers with what they have sent.
func (c *Client) Notifiers(ctx context.Context) (List[Notifier], error) {
	var l List[Notifier]
	_, err := c.get(ctx, path("notifiers"), nil, &l)
	return l, err
}

// TestNotifier sends a test message at once, and says whether it was delivered; timeout bounds the wait, 0 is the
// host's choice.
func (c *Client) TestNotifier(ctx context.Context, name string, timeout time.Duration) (Delivery, error) {
	v := url.Values{}
	if timeout > 0 {
		v.Set("timeout", timeout.String())
	}
	var d Delivery
	_, err := c.do(ctx, call{method: http.MethodPost, path: path("notifiers", name, "test"), query: v}, &d)
	return d, err
}
