package docs

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/taskhost/taskhost/host/internal/api"
)

var link = regexp.MustCompile(`\]\(([^)\s]*)\)`)

func TestLinksInTheDocumentationLeadSomewhere(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for page, text := range all {
		for _, match := range link.FindAllStringSubmatch(prose(text), -1) {
			target, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			path := page
			if target != "" {
				path = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s: %s: %v", page, match[1], err)
				continue
			}
			if to, isPage := all[path]; anchor != "" && isPage && !anchors(to)[anchor] {
				t.Errorf("%s: %s: there is no such heading", page, match[1])
			}
		}
	}
}

// prose is a page without its fenced blocks.
func prose(page string) string {
	var out strings.Builder
	fenced := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if !fenced {
			out.WriteString(line)
		}
	}
	return out.String()
}

// anchors are the names by which the headings of a page can be linked to.
func anchors(page string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(prose(page)) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			names[anchorOf(strings.TrimSpace(heading))] = true
		}
	}
	return names
}

// anchorOf is the name of a heading: in small letters, with dashes for blanks and without punctuation.
func anchorOf(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

func TestGoInTheDocumentationParses(t *testing.T) {
	t.Parallel()
	for page, text := range pages(t) {
		for _, b := range blocks(text) {
			if b.language != "go" {
				continue
			}
			source := strings.ReplaceAll(b.text, "…", "")
			var err error
			for _, form := range [][2]string{{"", ""}, {"package p\n", ""}, {"package p\nfunc f() {\n", "\n}"}} {
				if _, err = parser.ParseFile(token.NewFileSet(), page, form[0]+source+form[1], 0); err == nil {
					break
				}
			}
			if err != nil {
				t.Errorf("%s:%d: %v", page, b.line, err)
			}
		}
	}
}

var route = regexp.MustCompile(`/v1/[a-z0-9_/-]+`)

func TestRoutesInTheDocumentationExist(t *testing.T) {
	t.Parallel()
	var known []*regexp.Regexp
	placeholder := regexp.MustCompile(`\\\{[a-z]+\\\}`)
	for _, r := range api.Reference() {
		known = append(known, regexp.MustCompile("^"+placeholder.ReplaceAllString(regexp.QuoteMeta(r.Path), `[^/]+`)+"$"))
	}
	for page, text := range pages(t) {
		for _, path := range route.FindAllString(text, -1) {
			path = strings.TrimSuffix(path, "/")
			exists := func(r *regexp.Regexp) bool { return r.MatchString(path) || path == "/v1/openapi" }
			if !strings.Contains(page, "reference") && !slices.ContainsFunc(known, exists) {
				t.Errorf("%s: there is no route %s", page, path)
			}
		}
	}
}
