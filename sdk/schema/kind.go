package schema

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Kind refines a type: what the text or the number means. On a list or a map
// it speaks of the elements. A kind that is not known (from a newer SDK) is
// checked like [KindPlain].
type Kind string

// The kinds. The integer kinds name their range; int and uint are 64 bits
// wide everywhere.
const (
	KindPlain    Kind = ""         // nothing beyond the type
	KindDuration Kind = "duration" // a text that ParseDuration reads
	KindBytes    Kind = "bytes"    // a text that ParseBytes reads
	KindURL      Kind = "url"      // an absolute URL
	KindInt8     Kind = "int8"
	KindInt16    Kind = "int16"
	KindInt32    Kind = "int32"
	KindInt      Kind = "int64"
	KindUint8    Kind = "uint8"
	KindUint16   Kind = "uint16"
	KindUint32   Kind = "uint32"
	KindUint     Kind = "uint64"
	KindFloat    Kind = "float"  // a 64-bit floating-point number
	KindAny      Kind = "any"    // any value
	KindText     Kind = "text"   // a text that the plugin's own type reads
	KindTime     Kind = "time"   // an RFC 3339 time
	KindBase64   Kind = "base64" // bytes in standard base64; in messages only
)

// intBits maps the integer kinds to their width; negative widths are signed.
var intBits = map[Kind]int{
	KindInt8: -8, KindInt16: -16, KindInt32: -32, KindInt: -64,
	KindUint8: 8, KindUint16: 16, KindUint32: 32, KindUint: 64,
}

// intRange returns the smallest and the largest number of an integer kind.
func (k Kind) intRange() (lo, hi *big.Int, ok bool) {
	bits := intBits[k]
	one := big.NewInt(1)
	switch {
	case bits < 0:
		half := new(big.Int).Lsh(one, uint(-bits-1))
		return new(big.Int).Neg(half), new(big.Int).Sub(half, one), true
	case bits > 0:
		return new(big.Int), new(big.Int).Sub(new(big.Int).Lsh(one, uint(bits)), one), true
	}
	return nil, nil, false
}

// constraints are the checks that an attribute and a message field share.
type constraints struct {
	kind     Kind
	oneOf    []string
	min, max *float64
	pattern  string
}

// checkText checks a text by kind, one_of and pattern, and by its range or
// length. Only the errors of a duration or size quote the text.
func (c constraints) checkText(s string) error {
	if err := c.checkMeaning(s); err != nil {
		return err
	}
	if err := c.checkOneOf(s); err != nil {
		return err
	}
	re, err := c.compile()
	if err == nil && re != nil && !re.MatchString(s) {
		return fmt.Errorf("must match the pattern %s", c.pattern)
	}
	return nil
}

// patterns holds compiled patterns by their text, up to maxPatterns: the same few are asked for with every message.
var (
	patterns    sync.Map
	patternsGot atomic.Int64
)

const maxPatterns = 1000

// compile is the pattern ready for use, or nil if there is none.
func (c constraints) compile() (*regexp.Regexp, error) {
	if c.pattern == "" {
		return nil, nil
	}
	if re, ok := patterns.Load(c.pattern); ok {
		return re.(*regexp.Regexp), nil
	}
	re, err := regexp.Compile(c.pattern)
	if err != nil {
		return nil, fmt.Errorf("the pattern %q does not compile: %w", clip(c.pattern), err)
	}
	if patternsGot.Add(1) <= maxPatterns {
		patterns.Store(c.pattern, re)
	}
	return re, nil
}

// checkMeaning checks what the kind makes of a text, and min and max, which
// count seconds, bytes or characters accordingly.
func (c constraints) checkMeaning(s string) error {
	switch c.kind {
	case KindDuration:
		d, err := ParseDuration(s)
		if err != nil {
			return err
		}
		return c.checkRange(big.NewFloat(d.Seconds()), formatSeconds)
	case KindBytes:
		n, err := ParseBytes(s)
		if err != nil {
			return err
		}
		return c.checkRange(new(big.Float).SetInt64(n), func(limit float64) string { return FormatBytes(int64(limit)) })
	case KindURL:
		if err := checkURL(s); err != nil {
			return err
		}
	case KindTime:
		if _, err := time.Parse(time.RFC3339, s); err != nil {
			return errors.New(`must be a time as RFC 3339 has it, such as "2006-01-02T15:04:05Z"`)
		}
	case KindBase64:
		if _, err := base64.StdEncoding.DecodeString(s); err != nil {
			return errors.New("must be bytes in standard base64")
		}
	}
	return c.checkLength(utf8.RuneCountInString(s), "characters")
}

var errTooLarge = errors.New("must be a number that 64 bits can hold")

// checkNumber checks a number by kind, one_of and range.
func (c constraints) checkNumber(n *big.Float) error {
	lo, hi, isInt := c.kind.intRange()
	if !isInt && tooLarge(n) {
		return errTooLarge
	}
	if isInt {
		// Compared as floats first: the integer form of a number such as
		// 1e999999 would not fit into memory.
		if n.Cmp(new(big.Float).SetInt(lo)) < 0 || n.Cmp(new(big.Float).SetInt(hi)) > 0 {
			return fmt.Errorf("must be a whole number from %s to %s", lo, hi)
		}
		if !n.IsInt() {
			return errors.New("must be a whole number")
		}
	}
	if err := c.checkRange(n, formatNumber); err != nil {
		return err
	}
	if len(c.oneOf) > 0 {
		return c.checkOneOf(numberText(n))
	}
	return nil
}

func (c constraints) checkRange(n *big.Float, format func(float64) string) error {
	if c.min != nil && n.Cmp(big.NewFloat(*c.min)) < 0 {
		return fmt.Errorf("must be at least %s", format(*c.min))
	}
	if c.max != nil && n.Cmp(big.NewFloat(*c.max)) > 0 {
		return fmt.Errorf("must be at most %s", format(*c.max))
	}
	return nil
}

// checkLength checks a count of characters or elements by min and max.
func (c constraints) checkLength(n int, of string) error {
	return c.checkRange(new(big.Float).SetInt64(int64(n)), func(limit float64) string {
		return formatNumber(limit) + " " + of
	})
}

func (c constraints) checkOneOf(s string) error {
	if len(c.oneOf) == 0 {
		return nil
	}
	for _, allowed := range c.oneOf {
		if s == allowed {
			return nil
		}
	}
	return fmt.Errorf("must be one of %s", quoteAll(c.oneOf))
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || (u.Host == "" && u.Path == "" && u.Opaque == "") {
		return errors.New(`must be an absolute URL, such as "https://example.org/path"`)
	}
	if (u.Scheme == "http" || u.Scheme == "https") && u.Host == "" {
		return errors.New(`must be a URL with a host, such as "https://example.org/path"`)
	}
	return nil
}

func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(quoted, ", ")
}

func formatNumber(n float64) string {
	return strconv.FormatFloat(n, 'g', -1, 64)
}

func formatSeconds(seconds float64) string {
	return FormatDuration(time.Duration(seconds * float64(time.Second)))
}
