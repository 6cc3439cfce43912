package systemd

import (
	"encoding/hex"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// setting is one `Key=value` of a unit.
type setting struct {
	section, key, value string
	file                string // of the unit, or of a drop-in
	line                int
}

func (s setting) at() imports.Place { return imports.Place{File: s.file, Line: s.line} }

// unit is one unit file, taken apart.
type unit struct {
	file     string
	name     string // foo@bar.service
	settings []setting
	comments []string // that stand before the first section
	used     map[string]bool
}

func (u *unit) base() string { return strings.TrimSuffix(u.name, filepath.Ext(u.name)) }

func (u *unit) at(line int) imports.Place { return imports.Place{File: u.file, Line: line} }

// parseUnit takes a unit apart. A line that is none is noted, and the others count.
func parseUnit(file imports.File, f *imports.Found) *unit {
	u := &unit{file: file.Name, name: filepath.Base(file.Name), used: map[string]bool{}}
	u.parse(file, f)
	return u
}

// parse takes a file of the unit apart: the unit's own, or a drop-in, which goes behind what is there.
func (u *unit) parse(file imports.File, f *imports.Found) {
	section, pending, begin, number := "", "", 0, 0
	for text := range strings.Lines(file.Text) {
		number++
		text = strings.Trim(text, " \t\r\n")
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			f.Note(imports.Place{File: file.Name, Line: number}, imports.Broken, "this is no text in UTF-8; the line is left out")
			continue
		}
		if text != "" && (text[0] == '#' || text[0] == ';') { // also within a continued line
			if section == "" && file.Name == u.file {
				u.comments = append(u.comments, strings.TrimPrefix(strings.TrimLeft(text, "#;"), " "))
			}
			continue
		}
		if pending == "" {
			begin = number
		}
		if continued, is := strings.CutSuffix(text, `\`); is {
			pending += continued + " "
			continue
		}
		text, pending = strings.TrimSpace(pending+text), ""
		section = u.line(section, text, imports.Place{File: file.Name, Line: begin}, f)
	}
	if pending != "" {
		u.line(section, strings.TrimSpace(pending), imports.Place{File: file.Name, Line: begin}, f)
	}
}

// line takes one whole line and returns the section that holds from here on.
func (u *unit) line(section, text string, at imports.Place, f *imports.Found) string {
	if text == "" {
		return section
	}
	if text[0] == '[' && text[len(text)-1] == ']' {
		return text[1 : len(text)-1]
	}
	key, value, ok := strings.Cut(text, "=")
	key = strings.TrimSpace(key)
	switch {
	case !ok || key == "":
		f.Note(at, imports.Broken, "%q is no Key=value; the line is left out", clip(text))
	case section == "":
		f.Note(at, imports.Broken, "%s stands before any [Section]; the line is left out", clip(key))
	default:
		u.settings = append(u.settings, setting{section, key, strings.TrimSpace(value), at.File, at.Line})
	}
	return section
}

// clip shortens a text for a note.
func clip(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// dependency are keys whose lists only grow.
var dependency = setOf("After Before Wants Requires Requisite BindsTo PartOf Upholds Conflicts")

// all are the settings of a key; an empty one forgets those before it.
func (u *unit) all(section, key string) []setting {
	u.used[section+"."+key] = true
	var out []setting
	for _, s := range u.settings {
		switch {
		case s.section != section || s.key != key:
		case s.value == "" && section == "Unit" && dependency[key]: // systemd never takes one back
		case s.value == "":
			out = nil
		default:
			out = append(out, s)
		}
	}
	return out
}

// one is the last setting of a key.
func (u *unit) one(section, key string) (setting, bool) {
	all := u.all(section, key)
	if len(all) == 0 {
		return setting{}, false
	}
	return all[len(all)-1], true
}

func (u *unit) text(section, key string) string {
	s, _ := u.one(section, key)
	return s.value
}

// yes reads a boolean.
func (u *unit) yes(section, key string) bool {
	switch strings.ToLower(u.text(section, key)) {
	case "yes", "true", "on", "1", "y", "t":
		return true
	}
	return false
}

// words are the blank-separated words of all settings of a key.
func (u *unit) words(section string, keys ...string) []string {
	var out []string
	for _, key := range keys {
		for _, s := range u.all(section, key) {
			out = append(out, strings.Fields(s.value)...)
		}
	}
	return out
}

// unused are the settings that nobody has asked for, each key once.
func (u *unit) unused(section string) []setting {
	var out []setting
	for _, s := range u.settings {
		if s.section == section && s.value != "" && !u.used[section+"."+s.key] &&
			!slices.ContainsFunc(out, func(o setting) bool { return o.key == s.key }) {
			out = append(out, s)
		}
	}
	return out
}

var escaped = regexp.MustCompile(`-|\\x[0-9a-fA-F]{2}`)

// unescaped is what the name of an instance stands for: systemd-escape writes - for / and \x2d for -.
func unescaped(name string) string {
	return escaped.ReplaceAllStringFunc(name, func(found string) string {
		if found == "-" {
			return "/"
		}
		letter, err := hex.DecodeString(found[2:])
		if err != nil || letter[0] == 0 {
			return found
		}
		return string(letter)
	})
}

// specify replaces specifiers such as %i; those that cannot be known here are returned as well.
func (u *unit) specify(text, user string) (out string, unknown []string) {
	prefix, instance, _ := strings.Cut(u.base(), "@")
	known := map[byte]string{
		'%': "%", 'n': u.name, 'N': u.base(), 'p': prefix, 'i': instance, 'I': unescaped(instance), 'j': prefix[strings.LastIndexByte(prefix, '-')+1:],
		't': "/run", 'S': "/var/lib", 'C': "/var/cache", 'L': "/var/log", 'E': "/etc", 'T': "/tmp", 'V': "/var/tmp",
	}
	if user == "" || user == "root" {
		known['u'], known['U'], known['h'], known['g'], known['G'] = "root", "0", "/root", "root", "0"
	} else {
		known['u'] = user
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '%' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		value, ok := known[text[i]]
		if !ok {
			unknown = append(unknown, "%"+string(rune(text[i])))
			value = "%" + string(rune(text[i]))
		}
		b.WriteString(value)
	}
	return b.String(), unknown
}
