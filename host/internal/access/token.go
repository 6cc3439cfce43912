package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

// Token is a bearer token that somebody made; its text is known only to who has it.
type Token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	Scope   Scope     `json:"scope,omitzero"`
	Reason  string    `json:"reason,omitempty"`
	Created time.Time `json:"created_at"`
	By      string    `json:"created_by"`
	Expires time.Time `json:"expires_at,omitzero"`
	Used    time.Time `json:"used_at,omitzero"` // last, to the minute
}

// Refusals of a Book, for callers that ask.
var (
	ErrUnknown = errors.New("there is no such token")
	ErrExpired = errors.New("the token has expired")
	ErrTaken   = errors.New("there is a token with this name")
	ErrFull    = fmt.Errorf("there are %d tokens", maxTokens)
	ErrInvalid = errors.New("the token cannot be")
)

// Reserved are names that no token may have: they stand for the tokens in files of their own.
var Reserved = []string{"admin", "producer"}

const maxReason = 1000 // bytes

// check refuses a token that cannot be.
func (t Token) check(now time.Time) error {
	var err error
	switch {
	case !task.ValidName(t.Name):
		err = fmt.Errorf("%q is no name for a token; write lower-case letters, digits, - and _, a letter or digit first, at most 63", clip(t.Name))
	case slices.Contains(Reserved, t.Name):
		err = fmt.Errorf("the name %q stands for the token in %s.token; choose another one", t.Name, t.Name)
	case t.Role == Anyone:
		err = fmt.Errorf("the token has no role; write viewer, operator, admin or producer")
	case len(t.Reason) > maxReason:
		err = fmt.Errorf("the reason has more than %d bytes", maxReason)
	case !t.Expires.IsZero() && !t.Expires.After(now):
		err = fmt.Errorf("the token would have expired already; name a later time")
	default:
		err = t.Scope.check(t.Role)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return nil
}

func (t Token) expired(now time.Time) bool { return !t.Expires.IsZero() && !now.Before(t.Expires) }

// Held is a token that somebody has shown, and what tells that it ends.
type Held struct {
	Token
	// Ended is done as soon as the token is revoked. It does not tell of its expiry.
	Ended context.Context
}

// hexDigest is the digest of a token's text. The text is random and long, so it cannot be guessed back.
type hexDigest [sha256.Size]byte

func digestOf(text string) hexDigest { return sha256.Sum256([]byte(text)) }

func (d hexDigest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

func (d *hexDigest) UnmarshalText(text []byte) error {
	n, err := hex.Decode(d[:], text[:min(len(text), 2*len(d))])
	if err != nil || n != len(d) || len(text) != 2*len(d) {
		return errors.New("a digest is damaged")
	}
	return nil
}

// NewText makes the text of a new token: 256 random bits, with a mark by which scanners of repositories
// find it.
func NewText() string {
	secret := make([]byte, sha256.Size)
	rand.Read(secret)
	return "th_" + hex.EncodeToString(secret)
}
