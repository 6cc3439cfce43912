package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client speaks to one host. It is safe for concurrent use.
type Client struct {
	addr  string // as given, for messages
	base  string // http://host
	token string
	http  *http.Client
}

// Options of a Client.
type Options struct {
	Token string
	TLS   *tls.Config // of an https address; nil is the system's
	Agent string      // User-Agent
}

// New makes a client of the host at addr (see Where.Addr). It contacts nobody yet.
func New(addr string, o Options) (*Client, error) {
	c := &Client{addr: addr, token: o.Token}
	transport := &http.Transport{TLSClientConfig: o.TLS, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: o.TLS != nil}
	if path, ok := socketPath(addr); ok {
		if path == "" {
			return nil, fmt.Errorf("the address %q names no socket; write unix:data/admin.sock", addr)
		}
		c.base = "http://taskhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return DialUnix(ctx, path) }
	} else {
		if !strings.Contains(addr, "://") {
			addr = map[bool]string{true: "https://", false: "http://"}[o.TLS != nil] + addr
		}
		u, err := url.Parse(addr)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("the address %q is none; write unix:PATH, HOST:PORT or https://HOST:PORT", c.addr)
		}
		if u.Scheme == "http" && o.Token != "" && !isLoopback(u.Hostname()) {
			return nil, fmt.Errorf("the token would be readable on the way to %s; write https://%s", c.addr, u.Host)
		}
		c.base = u.Scheme + "://" + u.Host + strings.TrimRight(u.EscapedPath(), "/") // a proxy may have the host below a path
	}
	c.http = &http.Client{Transport: agent{transport, o.Agent}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c, nil
}

// Dial finds the host that w describes and makes a client of it.
func Dial(w Where, o Options) (*Client, error) {
	w, err := Find(w)
	if err != nil {
		return nil, err
	}
	if o.Token == "" {
		o.Token = w.Token
	}
	if o.TLS == nil {
		if o.TLS, err = w.tls(); err != nil {
			return nil, err
		}
	}
	return New(w.Addr, o)
}

// Address is where the client looks for the host.
func (c *Client) Address() string { return c.addr }

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

type agent struct {
	*http.Transport
	name string
}

func (a agent) RoundTrip(r *http.Request) (*http.Response, error) {
	if a.name != "" {
		r.Header.Set("User-Agent", a.name)
	}
	return a.Transport.RoundTrip(r)
}

// A call is one request in the making.
type call struct {
	method string
	path   string
	query  url.Values
	body   any // nil sends none; json.RawMessage is sent as it is
	header map[string]string
}

// path joins the parts of a route, each escaped.
func path(parts ...string) string {
	var b strings.Builder
	b.WriteString("/v1")
	for _, p := range parts {
		b.WriteByte('/')
		if p == "." || p == ".." { // a name like any other, not a step
			b.WriteString(strings.ReplaceAll(p, ".", "%2E"))
			continue
		}
		b.WriteString(url.PathEscape(p))
	}
	return b.String()
}

// encode writes a body without escapes that only HTML needs: they would make a message another one.
func encode(body any) ([]byte, error) {
	if raw, ok := body.(json.RawMessage); ok && len(raw) > 0 {
		return raw, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(body)
	return b.Bytes(), err
}

// send makes the request. The caller closes the body; a refusal is an error.
func (c *Client) send(ctx context.Context, r call) (*http.Response, error) {
	res, err := c.exchange(ctx, r)
	if err != nil || res.StatusCode < 300 {
		return res, err
	}
	defer res.Body.Close()
	return nil, problemOf(res)
}

// exchange makes the request and returns the answer, whatever its status. The caller closes the body.
func (c *Client) exchange(ctx context.Context, r call) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		data, err := encode(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, &UnreachableError{Address: c.addr, Err: err, remedy: c.remedy(err)}
	}
	return res, nil
}

// do makes the request and decodes the answer into into (nil: drops it). It returns the status.
func (c *Client) do(ctx context.Context, r call, into any) (int, error) {
	res, err := c.send(ctx, r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if into == nil {
		_, err = io.Copy(io.Discard, res.Body)
	} else {
		err = json.NewDecoder(res.Body).Decode(into)
	}
	if err != nil {
		return res.StatusCode, fmt.Errorf("read the answer of %s: %w", r.path, err)
	}
	return res.StatusCode, nil
}

func (c *Client) get(ctx context.Context, path string, query url.Values, into any) (int, error) {
	return c.do(ctx, call{method: http.MethodGet, path: path, query: query}, into)
}

func (c *Client) post(ctx context.Context, path string, query url.Values, body, into any) (int, error) {
	return c.do(ctx, call{method: http.MethodPost, path: path, query: query, body: body}, into)
}

// problemOf reads a refusal, also one that is no problem document.
func problemOf(res *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	p := &Problem{}
	if json.Unmarshal(data, p) != nil || p.Code == "" {
		p = &Problem{
			Type: "about:blank", Code: "http_" + fmt.Sprint(res.StatusCode),
			Detail: fmt.Sprintf("the answer was %s and no problem document", res.Status),
			Remedy: "check that the address is that of a taskhost admin API",
		}
		if plain(res, data) {
			p.Detail, p.Remedy = "the host speaks TLS at this address", "write https:// in the address"
		}
	}
	p.Status = res.StatusCode
	return p
}

// waitQuery adds ?wait= when wait is positive.
func waitQuery(wait time.Duration) url.Values {
	q := url.Values{}
	if wait > 0 {
		q.Set("wait", wait.String())
	}
	return q
}
