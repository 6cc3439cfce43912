package admin

import (
	"fmt"
	"strings"
	"unicode"
)

// Printable makes text that somebody else wrote safe to show in a terminal: control characters,
// escape sequences among them, become visible, and what is no UTF-8 is replaced. Tabs stay.
func Printable(text string) string {
	clean := func(r rune) bool { return r == '\t' || unicode.IsPrint(r) && r != unicode.ReplacementChar }
	if !strings.ContainsFunc(text, func(r rune) bool { return !clean(r) }) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case clean(r) || r == unicode.ReplacementChar:
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
