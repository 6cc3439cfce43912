package task

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// hidden is how a secret looks everywhere.
const hidden = "***"

// Secret is a text that must not be shown. Every way to print, log or encode it
// gives ***, whether it is set or not; only [Secret.Reveal] gives the text. A
// config attribute of this type is sensitive without a tag. Because it encodes as
// ***, a Secret cannot be published, saved or returned either.
type Secret struct {
	// A pointer, because fmt prints the unexported fields of an author's struct
	// without asking their methods: it then shows an address.
	text *string
}

var (
	_ fmt.Formatter            = Secret{}
	_ fmt.GoStringer           = Secret{}
	_ json.Marshaler           = Secret{}
	_ encoding.TextMarshaler   = Secret{}
	_ encoding.TextUnmarshaler = (*Secret)(nil)
	_ slog.LogValuer           = Secret{}
)

// NewSecret makes a secret of a text.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal is the text itself, "" when it is not set.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether the text is empty or not set.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// String is ***.
func (s Secret) String() string { return hidden }

// GoString is ***.
func (s Secret) GoString() string { return hidden }

// Format writes *** for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// MarshalJSON is "***".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + hidden + `"`), nil }

// MarshalText is ***.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue is ***.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// UnmarshalText sets the secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// Sensitive tells the schema that an attribute of this type must not be shown.
func (s Secret) Sensitive() bool { return true }
