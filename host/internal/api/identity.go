package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/access"
)

// Role says what a caller may do.
type Role = access.Role

// The roles.
const (
	Anyone   = access.Anyone
	Producer = access.Producer
	Viewer   = access.Viewer
	Operator = access.Operator
	Admin    = access.Admin
)

// The ways by which a caller says who he is.
const (
	viaUnix        = "unix"
	viaToken       = "token"
	viaCertificate = "certificate"
)

// Identity is who makes a request.
type Identity struct {
	Name    string
	Role    Role
	Via     string // unix, token, certificate
	UID     int    // of the peer, with unix
	ID      string // of a token that somebody made
	Scope   access.Scope
	Expires time.Time // when the token or the certificate does

	queues []string        // of a Producer: the names of his queues; nil is every queue that is open to the ingress
	ended  context.Context // done when the token is revoked; nil never is

	session context.Context // of the page, which ends it; nil outside of one
}

// key tells one caller from another.
func (i Identity) key() string { return i.Via + "\x00" + i.Name + "\x00" + i.ID }

// Token is a bearer token that stands in a file of its own, as the API keeps it: its digest, never its text.
type Token struct {
	Name   string
	role   Role
	queues []string // as in Identity
	digest [sha256.Size]byte
	set    bool
}

// NewToken makes the Token of text, of an admin. An empty text makes one that lets nobody in.
func NewToken(name, text string) Token {
	return Token{Name: name, role: Admin, digest: sha256.Sum256([]byte(text)), set: text != ""}
}

// NewProducerToken makes the Token of a producer for the queues with these names; without names, for every queue
// that is open to the ingress.
func NewProducerToken(name, text string, queues ...string) Token {
	t := NewToken(name, text)
	t.role, t.queues = Producer, queues
	return t
}

func (t *Token) matches(digest [sha256.Size]byte) bool {
	return subtle.ConstantTimeCompare(digest[:], t.digest[:]) == 1 && t.set
}

// peer is what is known of the other end of a connection, kept in its context.
type peer struct {
	unix bool
	uid  int
	name string
	role Role
	tls  *TLS // of the listener

	guest *guest // nil on a listener that is not Listen's
}

type peerKey struct{}

// connContext keeps the peer that the listener found with the connection.
func connContext(ctx context.Context, c net.Conn) context.Context {
	p := peer{}
	if t, ok := c.(*tls.Conn); ok {
		if of, ok := t.NetConn().(*tlsConn); ok {
			p.tls, c = of.tls, of.Conn
		}
	}
	g, _ := c.(*guest)
	if g != nil {
		c = g.Conn
	}
	if u, ok := c.(*unixConn); ok {
		p = u.peer
	}
	p.guest = g
	return context.WithValue(ctx, peerKey{}, p)
}

func peerOf(ctx context.Context) peer {
	p, _ := ctx.Value(peerKey{}).(peer)
	return p
}

// identify says who makes the request: the holder of the token that it shows, or else the user at the
// other end of a Unix socket, or who a client certificate is for. The zero Identity is nobody. Nothing
// that a request shows is passed over: with a wrong token the peer does not count.
func (a *API) identify(r *http.Request) (Identity, error) {
	p := peerOf(r.Context())
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch text = strings.TrimSpace(text); {
	case text != "" && strings.EqualFold(scheme, "Bearer"):
		return a.holder(r, p, text)
	case text != "":
		return Identity{}, a.wrong(r, p, refuse("token_wrong", "the Authorization is no bearer token").with("write Authorization: Bearer with the token's text"))
	}
	if who := a.visitor(r, p); who.session != nil {
		return who, nil
	}
	switch {
	case p.unix:
		return Identity{Name: p.name, Role: p.role, Via: viaUnix, UID: p.uid}, nil
	case p.tls != nil && r.TLS != nil && len(r.TLS.VerifiedChains) > 0:
		return a.certified(p.tls, r.TLS.VerifiedChains[0][0])
	}
	return Identity{}, nil
}

// holder is who holds the token with this text.
func (a *API) holder(r *http.Request, p peer, text string) (Identity, error) {
	digest := sha256.Sum256([]byte(text))
	if a.Token.matches(digest) {
		return a.Token.identity(), nil
	}
	for i := range a.Produce {
		if a.Produce[i].matches(digest) {
			return a.Produce[i].identity(), nil
		}
	}
	held, err := a.Tokens.Find(text)
	switch {
	case errors.Is(err, access.ErrExpired):
		return Identity{}, a.wrong(r, p, refuse("token_expired", "the token %q has expired", held.Name))
	case err != nil:
		return Identity{}, a.wrong(r, p, refuse("token_wrong", "the token is none of the host's, or was revoked"))
	}
	return Identity{
		Name: held.Name, Role: held.Role, Via: viaToken, ID: held.ID, Scope: held.Scope, Expires: held.Expires,
		queues: held.Scope.Queues, ended: held.Ended,
	}, nil
}

func (t *Token) identity() Identity {
	return Identity{Name: t.Name, Role: t.role, Via: viaToken, queues: t.queues}
}

// wrong is the refusal of a token that lets nobody in. Who shows many of them is told less and less often
// which it was.
func (a *API) wrong(r *http.Request, p peer, why *refusal) *refusal {
	wait := a.failures.take(addressOf(r, p), a.Now())
	if wait == 0 {
		return why
	}
	return later(refuse("login_limited", "too many wrong tokens came from here"), wait)
}

// addressOf is where a request comes from: one machine, or the user of a socket. Of IPv6 it is the network,
// since one machine has all of its addresses.
func addressOf(r *http.Request, p peer) string {
	if p.unix {
		return "uid " + strconv.Itoa(p.uid)
	}
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip := ap.Addr().Unmap()
	if ip.Is4() {
		return ip.String()
	}
	network, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return ip.String()
	}
	return network.String()
}

// certified is who the certificate is for: the first of its names that has a role. Without one he is known,
// and may do nothing.
func (a *API) certified(t *TLS, c *x509.Certificate) (Identity, error) {
	who := Identity{Name: c.Subject.CommonName, Via: viaCertificate, Expires: c.NotAfter}
	names := namesOf(c)
	if who.Name == "" && len(names) > 0 {
		who.Name = names[0]
	}
	for _, name := range names {
		if role, ok := t.ClientRoles[name]; ok {
			who.Name, who.Role = name, role
			break
		}
	}
	if !a.Now().Before(c.NotAfter) { // it was good when the connection was made
		return Identity{}, refuse("token_expired", "the certificate of %q has expired", short(who.Name))
	}
	return who, nil
}

// namesOf are the names of a certificate, the alternative ones first.
func namesOf(c *x509.Certificate) []string {
	var names []string
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	names = append(names, c.DNSNames...)
	names = append(names, c.EmailAddresses...)
	if c.Subject.CommonName != "" {
		names = append(names, c.Subject.CommonName)
	}
	return names
}

// userName is the name of uid, "uid N" when it has none.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}
