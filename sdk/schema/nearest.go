package schema

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Nearest finds the known word that was most likely meant by word, for a hint
// after a typing error. It reports false when none is near enough to be worth
// a hint. Upper and lower case count as equal, and so do '-' and '_'; of
// equally near words the first in alphabetical order wins.
func Nearest(word string, known []string) (string, bool) {
	const longest = 128 // a longer word is no typing error of a name
	if word == "" || len(word) > longest {
		return "", false
	}
	want := foldName(word)
	limit := max(1, len(want)/3)
	best, found := "", false
	for _, candidate := range slices.Sorted(slices.Values(known)) {
		if candidate == word || candidate == "" || len(candidate) > longest {
			continue
		}
		if d := typingErrors(want, foldName(candidate)); d <= limit {
			best, found = candidate, true
			limit = d - 1
		}
	}
	return best, found
}

func foldName(s string) string {
	return strings.ReplaceAll(strings.ToLower(s), "-", "_")
}

// typingErrors counts what has to be mistyped to make one word of the other. Two neighbours that have
// changed places are one error.
func typingErrors(a, b string) int {
	if swapped(a, b) {
		return 1
	}
	return levenshtein.Distance(a, b, nil)
}

// swapped reports whether the words differ by two neighbouring letters that have changed places.
func swapped(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) - 1 {
		if a[i] != b[i] {
			return a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
		}
	}
	return false
}
