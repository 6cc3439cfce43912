package crontab

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/internal/imports"
	"github.com/taskhost/taskhost/host/internal/schedule"
)

// UserColumn says whether the sixth word of an entry is an account.
type UserColumn string

const (
	Auto UserColumn = "auto" // by where the file lies, otherwise by what stands there
	Yes  UserColumn = "yes"
	No   UserColumn = "no"
)

// Options say what a crontab does not say itself.
type Options struct {
	UserColumn UserColumn
	Zone       string                 // IANA name of the zone that cron works in; "" is left to the host
	Account    func(name string) bool // reports whether there is such an account; nil knows only root
}

// Read reads crontabs.
func Read(files []imports.File, o Options) *imports.Found {
	f := &imports.Found{}
	unsaid := false
	for _, file := range files {
		r := &reader{found: f, opts: o, file: file, users: o.UserColumn == Yes}
		if o.UserColumn != Yes && o.UserColumn != No {
			r.users = hasUsers(file, o.Account)
		}
		r.read()
		unsaid = unsaid || r.unsaid
	}
	if len(f.Tasks) > 0 {
		general(f, imports.Place{File: files[0].Name})
		if unsaid {
			f.Note(imports.Place{File: files[0].Name}, imports.Differs, "where a crontab has no MAILTO, cron mails all output to its account; here output is in the task's log, and a notify block tells of failures")
		}
	}
	return f
}

// general is what holds of every crontab, said once.
func general(f *imports.Found, at imports.Place) {
	f.Note(at, imports.Differs, "a slot that is due while the run before it is going is skipped; cron would run both (periodic { overlap = \"allow\" })")
	if slices.ContainsFunc(f.Tasks, func(t *imports.Task) bool { return t.Get("user") != "" }) {
		f.Note(at, imports.Differs, "user lets the host start a process under an account: for others than its own the host has to run as root")
	}
	f.Note(at, imports.Differs, "cron starts a command in the home directory of its account; here config { dir = … } says where, otherwise it is the directory of the configuration")
}

// reader is at work on one file.
type reader struct {
	found    *imports.Found
	opts     Options
	file     imports.File
	users    bool
	line     int
	comments []string // since the last entry
	env      imports.Env
	zone     string // by CRON_TZ
	mail     mailing
	unsaid   bool // an entry stands before any MAILTO
}

func (r *reader) at() imports.Place { return imports.Place{File: r.file.Name, Line: r.line} }

func (r *reader) broken(format string, args ...any) {
	r.found.Note(r.at(), imports.Broken, format+"; the line is left out", args...)
}

func (r *reader) read() {
	for text := range strings.Lines(r.file.Text) {
		r.line++
		text = strings.TrimRight(text, "\r\n")
		trimmed := strings.Trim(text, " \t")
		switch {
		case !utf8.ValidString(text) || strings.ContainsRune(text, 0):
			r.broken("this is no text in UTF-8")
		case trimmed == "":
			if len(r.comments) > 0 {
				r.comments = append(r.comments, "")
			}
		case trimmed[0] == '#':
			r.comments = append(r.comments, strings.TrimPrefix(strings.TrimLeft(trimmed, "#"), " "))
		default:
			if name, value, ok := assignment(trimmed); ok {
				r.set(name, value)
				continue
			}
			r.entry(trimmed)
		}
	}
	r.found.Comments = append(r.found.Comments, imports.TrimBlank(r.comments)...)
}

// set takes a line that sets a variable.
func (r *reader) set(name, value string) {
	switch name {
	case "MAILTO":
		r.mailTo(value)
	case "MAILFROM":
		r.mailFrom(value)
	case "CRON_TZ":
		if _, err := schedule.LoadZone(value); err != nil {
			r.found.Note(r.at(), imports.Broken, "CRON_TZ: %v; the line is left out, and what follows keeps the zone before it", err)
			return
		}
		r.zone = value
		r.found.Note(imports.Place{File: r.file.Name}, imports.Differs, "CRON_TZ: cronie heeds it; a cron that does not, as Debian's, has worked in the machine's zone so far")
	case "RANDOM_DELAY", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING", "CRONDARGS":
		r.found.Note(r.at(), imports.Skipped, "%s has no equivalent; periodic { jitter = … } spreads runs", name)
	default:
		if !imports.ValidEnv(name) {
			r.broken("%q cannot be the name of a variable", name)
			return
		}
		r.env = r.env.With(name, value)
	}
}

// assignment takes `NAME = value` apart, as cron does: blanks around the sign and quotes around
// either side are left out.
func assignment(line string) (name, value string, ok bool) {
	name, rest, ok := quoted(line)
	if !ok {
		end := strings.IndexAny(line, " \t=")
		if end <= 0 {
			return "", "", false
		}
		name, rest = line[:end], line[end:]
	}
	rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " \t"), "=")
	if !ok || name == "" || strings.ContainsAny(name[:1], "0123456789*@-") {
		return "", "", false
	}
	rest = strings.Trim(rest, " \t")
	if inner, after, is := quoted(rest); is && after == "" {
		return name, inner, true
	}
	return name, rest, true
}

// quoted takes a text in quotes off the front.
func quoted(text string) (inner, rest string, ok bool) {
	if text == "" || text[0] != '"' && text[0] != '\'' {
		return "", text, false
	}
	end := strings.IndexByte(text[1:], text[0])
	if end < 0 {
		return "", text, false
	}
	return text[1 : 1+end], text[2+end:], true
}

// hasUsers guesses whether a file has a column for the account: one of the system has it, and one in
// which the sixth word of every entry is an account with a command behind it.
func hasUsers(file imports.File, account func(string) bool) bool {
	if file.Name == "/etc/crontab" || strings.Contains("/"+file.Name, "/cron.d/") {
		return true
	}
	if account == nil {
		account = func(name string) bool { return name == "root" }
	}
	entries := 0
	for text := range strings.Lines(file.Text) {
		text = strings.Trim(text, " \t\r\n")
		if text == "" || text[0] == '#' {
			continue
		}
		if _, _, is := assignment(text); is {
			continue
		}
		fields := 5
		if text[0] == '@' {
			fields = 1
		}
		words, rest := cutWords(text, fields+1)
		if len(words) <= fields || strings.HasPrefix(rest, "-") || !account(words[fields]) {
			return false
		}
		if rest != "" {
			entries++
		}
	}
	return entries > 0
}
