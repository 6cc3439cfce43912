package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"os/user"
	"strconv"
	"strings"
)

// Role says what a caller may do. From Viewer to Admin each may do what the ones before it may; a Producer
// stands beside them.
type Role int

// The roles.
const (
	Anyone   Role = iota // also who has not said who he is: only whether the host is up
	Producer             // posts messages to his queues, and nothing else
	Viewer               // reads
	Operator             // commands tasks and posts messages
	Admin                // commands the host
)

func (r Role) String() string {
	return [...]string{"anyone", "producer", "viewer", "operator", "admin"}[r]
}

// may reports whether the role reaches what needs need.
func (r Role) may(need Role) bool {
	switch {
	case need == Producer:
		return r == Producer || r >= Operator
	case r == Producer:
		return need == Anyone
	}
	return r >= need
}

// Identity is who makes a request.
type Identity struct {
	Name string
	Role Role
	Via  string // unix, token
	UID  int    // of the peer, with unix

	queues []string // of a Producer: the names of his queues; nil is every queue that is open to the ingress

	session context.Context // of the page, which ends it; nil outside of one
}

// Token is a bearer token as the API keeps it: its digest, never its text.
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
}

type peerKey struct{}

// connContext keeps the peer that the listener found with the connection.
func connContext(ctx context.Context, c net.Conn) context.Context {
	p := peer{}
	if u, ok := c.(*unixConn); ok {
		p = u.peer
	}
	return context.WithValue(ctx, peerKey{}, p)
}

func peerOf(ctx context.Context) peer {
	p, _ := ctx.Value(peerKey{}).(peer)
	return p
}

// identify says who makes the request: the user at the other end of a Unix socket (the listener
// has let in nobody but the host's own user and root), or the holder of a token. The zero
// Identity is nobody.
func (a *API) identify(r *http.Request) (Identity, error) {
	if p := peerOf(r.Context()); p.unix {
		return Identity{Name: p.name, Role: Admin, Via: "unix", UID: p.uid}, nil
	}
	scheme, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if text == "" {
		return a.visitor(r), nil
	}
	if strings.EqualFold(scheme, "Bearer") {
		if t := a.holder(strings.TrimSpace(text)); t != nil {
			return Identity{Name: t.Name, Role: t.role, Via: "token", queues: t.queues}, nil
		}
	}
	return Identity{}, refuse("token_wrong", "the token is not the host's")
}

// holder is the token with this text; nil when there is none.
func (a *API) holder(text string) *Token {
	digest := sha256.Sum256([]byte(text))
	if a.Token.matches(digest) {
		return &a.Token
	}
	for i := range a.Produce {
		if a.Produce[i].matches(digest) {
			return &a.Produce[i]
		}
	}
	return nil
}

// userName is the name of uid, "uid N" when it has none.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}
