package supervisord

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// section is one [section] with its settings.
type section struct {
	name     string // "program:web"
	file     string
	line     int
	comments []string // that stand above it
	keys     []string
	values   map[string]setting
}

type setting struct {
	value string
	line  int
}

func (s *section) at(key string) imports.Place {
	line := s.line
	if v, ok := s.values[key]; ok {
		line = v.line
	}
	return imports.Place{File: s.file, Line: line}
}

// kind and label are the parts of the name: "program" and "web".
func (s *section) parts() (kind, label string) {
	kind, label, _ = strings.Cut(s.name, ":")
	return strings.TrimSpace(kind), strings.TrimSpace(label)
}

// parse takes a file apart, with the comments that stand behind the last section.
func parse(file imports.File, f *imports.Found) (all []*section, rest []string) {
	var now *section
	last, number := "", 0
	var comments []string
	for text := range strings.Lines(file.Text) {
		number++
		text = strings.TrimRight(text, " \t\r\n")
		trimmed := strings.TrimLeft(text, " \t")
		at := imports.Place{File: file.Name, Line: number}
		switch {
		case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
			f.Note(at, imports.Broken, "this is no text in UTF-8; the line is left out")
		case trimmed == "":
			last = ""
			if len(comments) > 0 && comments[len(comments)-1] != "" {
				comments = append(comments, "")
			}
		case trimmed[0] == ';' || trimmed[0] == '#':
			comments = append(comments, strings.TrimPrefix(strings.TrimLeft(trimmed, ";#"), " "))
		case text[0] == '[':
			end := strings.IndexByte(text, ']')
			if end < 0 {
				f.Note(at, imports.Broken, "%q is no [section]; it is left out", text)
				now, last = nil, ""
				continue
			}
			now, last = &section{name: strings.TrimSpace(text[1:end]), file: file.Name, line: number, comments: comments, values: map[string]setting{}}, ""
			all, comments = append(all, now), nil
		case len(trimmed) < len(text) && last != "":
			v := now.values[last]
			v.value += "\n" + withoutComment(trimmed)
			now.values[last] = v
		default:
			key := now.set(trimmed, at, f)
			last = key
		}
	}
	return all, comments
}

// set takes a line key=value, and returns the key.
func (s *section) set(text string, at imports.Place, f *imports.Found) string {
	key, value, ok := strings.Cut(text, "=")
	if i := strings.IndexByte(text, ':'); i >= 0 && (!ok || i < len(key)) {
		key, value, ok = text[:i], text[i+1:], true
	}
	key = strings.ToLower(strings.TrimSpace(key))
	switch {
	case !ok || key == "":
		f.Note(at, imports.Broken, "%q is no key=value; the line is left out", text)
		return ""
	case s == nil:
		f.Note(at, imports.Broken, "%s stands in no [section]; the line is left out", key)
		return ""
	}
	if _, there := s.values[key]; !there {
		s.keys = append(s.keys, key)
	}
	s.values[key] = setting{withoutComment(strings.TrimSpace(value)), at.Line}
	return key
}

// withoutComment cuts a value at a comment, which begins behind a blank.
func withoutComment(text string) string {
	for i := 1; i < len(text); i++ {
		if (text[i] == ';' || text[i] == '#') && (text[i-1] == ' ' || text[i-1] == '\t') {
			return strings.TrimRight(text[:i], " \t")
		}
	}
	return text
}

var expansion = regexp.MustCompile(`%\(([A-Za-z0-9_]+)\)([0-9]*)([sd])|%%`)

// expand replaces %(name)s. What is not known stays, and is returned as well.
func expand(text, here string, values map[string]string) (out string, unknown []string) {
	out = expansion.ReplaceAllStringFunc(text, func(found string) string {
		if found == "%%" {
			return "%"
		}
		m := expansion.FindStringSubmatch(found)
		if name, is := strings.CutPrefix(m[1], "ENV_"); is {
			return imports.HostEnv(name)
		}
		value, ok := values[m[1]]
		if m[1] == "here" {
			value, ok = here, here != ""
		}
		if !ok {
			unknown = append(unknown, found)
			return found
		}
		if width := strings.TrimLeft(m[2], "0"); width != "" && m[3] == "d" && len(width) == 1 {
			for len(value) < int(width[0]-'0') {
				value = "0" + value
			}
		}
		return value
	})
	return out, unknown
}
