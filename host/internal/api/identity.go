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

// Role says what a caller may do; each may do what the ones before it may.
type Role int

// The roles.
const (
	Anyone   Role = iota // also who has not said who he is: only whether the host is up
	Viewer               // reads
	Operator             // commands tasks
	Admin                // commands the host
)

func (r Role) String() string {
	return [...]string{"anyone", "viewer", "operator", "admin"}[r]
}

// Identity is who makes a request.
type Identity struct {
	Name string
	Role Role
	Via  string // unix, token
	UID  int    // of the peer, with unix
}

// Token is a bearer token as the API keeps it: its digest, never its text.
type Token struct {
	Name   string
	digest [sha256.Size]byte
	set    bool
}

// NewToken makes the Token of text. An empty text makes one that lets nobody in.
func NewToken(name, text string) Token {
	return Token{Name: name, digest: sha256.Sum256([]byte(text)), set: text != ""}
}

func (t Token) matches(text string) bool {
	digest := sha256.Sum256([]byte(text))
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
		return Identity{}, nil
	}
	if !strings.EqualFold(scheme, "Bearer") || !a.Token.matches(strings.TrimSpace(text)) {
		return Identity{}, refuse("token_wrong", "the token is not the host's").
			with("read it again from admin.token in the host's data_dir, or use the Unix socket")
	}
	return Identity{Name: a.Token.Name, Role: Admin, Via: "token"}, nil
}

// userName is the name of uid, "uid N" when it has none.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid " + strconv.Itoa(uid)
}
