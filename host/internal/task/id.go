package task

import (
	"crypto/rand"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
)

// NewID makes the id of a run, a record or a request: 26 lower-case base32
// characters (a ULID) that sort by the millisecond of their making. Safe for concurrent use.
func NewID(at time.Time) string { return NewIDFrom(at, rand.Reader) }

// NewIDFrom is NewID with a source of randomness of the caller's own, which must not fail.
func NewIDFrom(at time.Time, random io.Reader) string {
	return strings.ToLower(ulid.MustNew(ulid.Timestamp(at), random).String())
}

var (
	namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	keyPattern  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,126}$`)
)

// ValidName reports whether s may name a task, plugin, group or queue in HCL.
func ValidName(s string) bool { return namePattern.MatchString(s) }

// ValidKey reports whether s may be the key of a for_each instance.
func ValidKey(s string) bool { return keyPattern.MatchString(s) }

// ValidTask reports whether s may name a task, an instance ("check.www.example.org") included.
func ValidTask(s string) bool {
	block, key, instance := strings.Cut(s, ".")
	return ValidName(block) && (!instance || ValidKey(key))
}

// ValidID reports whether s has the form of an id that NewID makes.
func ValidID(s string) bool {
	_, err := ulid.ParseStrict(strings.ToUpper(s))
	return err == nil && s == strings.ToLower(s)
}
