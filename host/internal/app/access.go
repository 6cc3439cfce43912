package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os/user"
	"strconv"
	"time"

	"github.com/taskhost/taskhost/host/internal/access"
	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/audit"
	"github.com/taskhost/taskhost/host/internal/config"
)

// doors is who may use the host, and where it is written down what they did.
type doors struct {
	text    string // of the admin's token
	admin   api.Token
	produce []api.Token
	tokens  *access.Book
	audit   *audit.Log
	listen  api.Listening // of the admin API
	intake  api.Listening // of the ingress
	crowds  api.Crowds    // at both
}

// wrongTokens is how many a place may send at once, and how fast it gets them back.
var wrongTokens = api.Rate{Number: 10, Per: 30 * time.Second, Unix: true}

// openDoors reads all of it. What cannot be read now would let in nobody, or too many: it is an error.
func (h *host) openDoors() error {
	c := h.config.Host
	text, err := api.LoadToken(h.data.join("admin.token"))
	if err != nil {
		return err
	}
	h.doors.text, h.doors.admin = text, api.NewToken("admin", text)
	if h.doors.produce, err = h.producers(); err != nil {
		return err
	}
	if h.doors.tokens, err = access.Open(h.data.join("tokens.json"), access.Options{Log: h.log.Named("access")}); err != nil {
		return err
	}
	if h.doors.audit, err = audit.Open(c.Audit.Path, audit.Options{MaxSize: c.Audit.MaxSize, Keep: c.Audit.Keep, Log: h.log.Named("audit")}); err != nil {
		return err
	}
	if h.doors.listen, err = h.listening("host.admin", c.Admin.MaxConnections, c.Admin.TLS); err != nil {
		return err
	}
	if h.doors.listen.Users, err = usersOf(c.Admin.Users); err != nil {
		return err
	}
	h.doors.intake, err = h.listening("host.ingress", c.Ingress.MaxConnections, c.Ingress.TLS)
	return err
}

// limits are what the API lets callers do.
func (h *host) limits(c *api.Config) {
	c.Token, c.Produce, c.Tokens, c.Audit = h.doors.admin, h.doors.produce, h.doors.tokens, h.doors.audit
	c.Rate, c.IngressRate, c.Failures = rateOf(h.config.Host.Admin.Rate), rateOf(h.config.Host.Ingress.Rate), wrongTokens
}

func rateOf(r config.Rate) api.Rate { return api.Rate{Number: r.Number, Per: r.Per, Unix: r.Given} }

// listening is how a listener is opened; block is where the file says so, and most the connections that it asks for.
func (h *host) listening(block string, most int, t *config.TLS) (o api.Listening, err error) {
	o.Attribute, o.Audit, o.Crowds = block+".listen", h.doors.audit, &h.doors.crowds
	limit := descriptorLimit()
	if o.Most = connectionsOf(limit, most); o.Most < most {
		h.log.Warn("an address holds fewer connections than the file says: the host has too few descriptors; raise LimitNOFILE= in the unit, or ulimit -n",
			"attribute", block+".max_connections", "asked", most, "connections", o.Most, "descriptors", limit)
	}
	if t == nil {
		return o, nil
	}
	o.TLS, err = api.NewTLS(api.TLSOptions{
		CertFile: t.CertFile, KeyFile: t.KeyFile, ClientCAFile: t.ClientCAFile, ClientOptional: t.ClientOptional, ClientRoles: t.ClientRoles,
		MinVersion: map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[t.MinVersion], Log: h.log.Named("tls"),
	})
	if err != nil {
		return o, fmt.Errorf("%s.tls: %w", block, err)
	}
	return o, nil
}

// usersOf finds the accounts by their names or numbers.
func usersOf(names map[string]access.Role) (map[int]access.Role, error) {
	users := map[int]access.Role{}
	for name, role := range names {
		u, err := user.Lookup(name)
		if _, numErr := strconv.ParseUint(name, 10, 31); err != nil && numErr == nil {
			u, err = &user.User{Uid: name}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("host.admin.socket_users: there is no account %q on this machine: %w", name, err)
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, fmt.Errorf("host.admin.socket_users: the account %q has no number: %w", name, err)
		}
		users[uid] = role
	}
	return users, nil
}

// listenAdmin opens the addresses of the admin API.
func (h *host) listenAdmin(ctx context.Context) (all []net.Listener, became []string, err error) {
	open := func(ctx context.Context, addr string) (net.Listener, error) {
		return api.Listen(ctx, addr, h.doors.listen)
	}
	return listenAll(ctx, h.config.Host.Admin.Listen, open)
}

// scheme is what is spoken at the TCP addresses of a listener.
func scheme(o api.Listening) string {
	if o.TLS != nil {
		return "https"
	}
	return "http"
}

// close writes what is not on the disk yet. Nobody comes in any more.
func (d *doors) close() error {
	var err error
	if d.tokens != nil {
		err = d.tokens.Close()
	}
	if d.audit != nil {
		err = errors.Join(err, d.audit.Close())
	}
	return err
}
