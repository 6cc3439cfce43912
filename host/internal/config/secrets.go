package config

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// mark is the kind of cty marks that this package makes.
type mark string

// sensitive marks a value that must not be shown.
const sensitive = mark("sensitive")

// hidden stands where a sensitive value was.
const hidden = "***"

// shortestHidden is the length from which a sensitive text is looked for in what
// is shown. Shorter ones would take every second word with them.
const shortestHidden = 4

// shortestHiddenLater is the same for what a running host shows.
const shortestHiddenLater = 8

// secrets remembers the sensitive texts of one Load. Values are kept out of
// diagnostics by their marks; this is the second line, for texts that are written
// out in the source or that a plugin repeats.
type secrets struct {
	texts    map[string]bool
	replacer *strings.Replacer // nil: to be built
}

func newSecrets() *secrets { return &secrets{texts: map[string]bool{}} }

// add remembers the texts in a value, marked or not.
func (s *secrets) add(v cty.Value) {
	v, _ = v.UnmarkDeep()
	_ = cty.Walk(v, func(_ cty.Path, leaf cty.Value) (bool, error) {
		if leaf.Type() == cty.String && leaf.IsKnown() && !leaf.IsNull() {
			s.addText(leaf.AsString())
		}
		return true, nil
	})
}

// addMarked remembers the texts in those values in v that are marked.
func (s *secrets) addMarked(v cty.Value) {
	plain, marked := v.UnmarkDeepWithPaths()
	for _, m := range marked {
		if part, err := m.Path.Apply(plain); err == nil {
			s.add(part)
		}
	}
}

func (s *secrets) addText(text string) {
	quoted := strconv.Quote(text)
	for _, form := range append(strings.Split(text, "\n"), text, quoted[1:len(quoted)-1]) {
		if form = strings.TrimSpace(form); len(form) >= shortestHidden && !s.texts[form] {
			s.texts[form], s.replacer = true, nil
		}
	}
}

// sealed is hide for what is remembered now, safe for concurrent use. A running host sees much
// more text than a load: only texts are looked for that are long enough to be no common word.
func (s *secrets) sealed() func(string) string {
	long := newSecrets()
	for text := range s.texts {
		if len(text) >= shortestHiddenLater {
			long.texts[text] = true
		}
	}
	long.hide("") // builds the replacer
	return long.hide
}

// hide replaces every remembered text.
func (s *secrets) hide(text string) string {
	if len(s.texts) == 0 {
		return text
	}
	if s.replacer == nil {
		forms := sortedKeys(s.texts)
		slices.SortStableFunc(forms, func(a, b string) int { return len(b) - len(a) }) // the longest first
		pairs := make([]string, 0, 2*len(forms))
		for _, form := range forms {
			pairs = append(pairs, form, hidden)
		}
		s.replacer = strings.NewReplacer(pairs...)
	}
	return s.replacer.Replace(text)
}
