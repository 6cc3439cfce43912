package admin

import (
	"context"
	"net/url"
	"strconv"
	"time"
)

// AuditRecord is one line of the audit log: a request for a change, or a refusal for want of a right.
type AuditRecord struct {
	Seq       uint64   `json:"seq"`
	At        Time     `json:"at"`
	Request   string   `json:"request_id,omitempty"`
	Actor     string   `json:"actor,omitempty"` // name of the token, the user or the certificate; empty is a stranger
	Via       string   `json:"via,omitempty"`   // unix, token, certificate
	UID       *int     `json:"uid,omitempty"`
	Transport string   `json:"transport,omitempty"` // unix, tcp, tls; ingress before it
	Peer      string   `json:"peer,omitempty"`
	Route     string   `json:"route,omitempty"`
	Task      string   `json:"task,omitempty"`
	Queue     string   `json:"queue,omitempty"`
	Run       string   `json:"run,omitempty"`
	Name      string   `json:"name,omitempty"` // what else the route names: a method, a key, a token
	Reason    string   `json:"reason,omitempty"`
	Status    int      `json:"status,omitempty"`
	Code      string   `json:"code,omitempty"`    // of the refusal
	Changed   *bool    `json:"changed,omitempty"` // when it is known
	Tasks     []string `json:"tasks,omitempty"`   // that an action changed
	Count     int      `json:"count,omitempty"`   // so many more like an earlier one, up to this time
	Lost      int      `json:"lost,omitempty"`    // so many records before this one could not be written
}

// AuditQuery selects records.
type AuditQuery struct {
	Actor  string
	Task   string
	Queue  string
	Since  time.Duration
	Limit  int
	Cursor string
}

// Audit lists records, the newest first.
func (c *Client) Audit(ctx context.Context, q AuditQuery) (List[AuditRecord], error) {
	v := url.Values{}
	set(v, "actor", q.Actor)
	set(v, "task", q.Task)
	set(v, "queue", q.Queue)
	set(v, "cursor", q.Cursor)
	if q.Since > 0 {
		v.Set("since", q.Since.String())
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	var l List[AuditRecord]
	_, err := c.get(ctx, path("audit"), v, &l)
	return l, err
}
