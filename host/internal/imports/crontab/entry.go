package crontab

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/imports"
	"github.com/taskhost/taskhost/host/internal/schedule"
	"github.com/taskhost/taskhost/sdk/schema"
)

// entry takes a line that runs something.
func (r *reader) entry(line string) {
	line = strings.TrimPrefix(line, "-") // SUSE's "do not log this"
	when, rest := cutWords(line, map[bool]int{true: 1, false: 5}[strings.HasPrefix(line, "@")])
	text := strings.Join(when, " ")
	if text == "@every" { // as in cron of Go, with the length in a word of its own
		var length []string
		length, rest = cutWords(rest, 1)
		text = strings.Join(append(when, length...), " ")
	}
	slot, err := parseWhen(text)
	if err != nil {
		r.broken("%v", err)
		return
	}
	user, rest, ok := r.account(text, rest)
	if !ok {
		return
	}
	options, rest := leadingOptions(rest)
	command, input, hasInput := splitInput(rest)
	if strings.TrimSpace(command) == "" {
		r.broken("there is no command behind %q", strings.TrimSpace(text+" "+user))
		return
	}
	r.task(slot, user, command, input, hasInput, options)
}

var accountName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*(:[A-Za-z_][A-Za-z0-9_.-]*)?$`)

// account takes the account off what stands behind the time, where there is a column for it.
func (r *reader) account(when, rest string) (user, command string, ok bool) {
	words, after := cutWords(rest, 1)
	switch {
	case !r.users:
		if strings.HasPrefix(after, "/") && r.opts.Account != nil && r.opts.Account(words[0]) {
			r.found.Note(r.at(), imports.Differs, "%s is an account, too: if this file has a column for it, say -user-column yes", words[0])
		}
		return "", rest, true
	case len(words) == 0:
		r.broken("there is no account and no command behind %q", when)
		return "", "", false
	case !accountName.MatchString(words[0]):
		r.broken("%s cannot be the name of an account; -user-column no says that there is no column for it", words[0])
		return "", "", false
	}
	return words[0], after, true
}

// cutWords takes up to n words off the front.
func cutWords(text string, n int) (words []string, rest string) {
	rest = strings.TrimLeft(text, " \t")
	for len(words) < n && rest != "" {
		end := strings.IndexAny(rest, " \t")
		if end < 0 {
			end = len(rest)
		}
		words = append(words, rest[:end])
		rest = strings.TrimLeft(rest[end:], " \t")
	}
	return words, rest
}

// leadingOptions takes the options of OpenBSD's and FreeBSD's cron off a command: -n -q -s.
func leadingOptions(text string) (options []string, rest string) {
	rest = text
	for {
		words, after := cutWords(rest, 1)
		if len(words) == 0 || len(words[0]) < 2 || words[0][0] != '-' || strings.Trim(words[0][1:], "nqs") != "" {
			return options, rest
		}
		options, rest = append(options, words[0]), after
	}
}

// splitInput cuts a command at its first %: what follows is its standard input, with a line for each
// further %. A \% is a % that does neither.
func splitInput(text string) (command, input string, has bool) {
	var parts []string
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == '%':
			b.WriteByte('%')
			i++
		case text[i] == '%':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(text[i])
		}
	}
	parts = append(parts, b.String())
	return strings.TrimRight(parts[0], " \t"), strings.Join(parts[1:], "\n"), len(parts) > 1
}

// due is when an entry runs.
type due struct {
	cron  string
	every time.Duration
	start bool // once at the start
}

// parseWhen reads the five fields, or the word in their place.
func parseWhen(text string) (due, error) {
	switch {
	case text == "@reboot":
		return due{start: true}, nil
	case text == "@every_minute":
		return due{cron: "* * * * *"}, nil
	case text == "@every_second":
		return due{every: time.Second}, nil
	case strings.HasPrefix(text, "@every "):
		d, err := schema.ParseDuration(strings.TrimPrefix(text, "@every "))
		if err == nil && d <= 0 {
			err = errors.New("it is not longer than nothing")
		}
		if err != nil {
			return due{}, fmt.Errorf("%s: %w", text, err)
		}
		return due{every: d}, nil
	case strings.HasPrefix(text, "@") && strings.Trim(text[1:], "0123456789") == "" && len(text) > 1: // FreeBSD: seconds
		d, err := schema.ParseDuration(text[1:] + "s")
		if err != nil || d <= 0 {
			return due{}, fmt.Errorf("%q is no number of seconds", text)
		}
		return due{every: d}, nil
	case strings.Contains(text, "~"):
		return due{}, fmt.Errorf("%q: a random time (~) has no equivalent; name a time and let periodic { jitter = … } spread it", text)
	}
	if _, err := schedule.ParseCron(text); err != nil {
		at, ok := errors.AsType[*schedule.Error](err)
		if ok && !strings.Contains(at.Detail, text) {
			return due{}, fmt.Errorf("cron %q: %s", text, at.Detail)
		}
		return due{}, err
	}
	return due{cron: text}, nil
}

// task makes a task of an entry.
func (r *reader) task(d due, user, command, input string, hasInput bool, options []string) {
	otherwise := strings.TrimSuffix(filepath.Base(r.file.Name), filepath.Ext(r.file.Name))
	t := r.found.Add(imports.NameOf(command, otherwise), r.at())
	t.Comments, r.comments = imports.TrimBlank(r.comments), nil
	t.Set("plugin", imports.String("exec"))
	if user != "" {
		user, group, grouped := strings.Cut(user, ":") // as FreeBSD has it
		t.Set("user", imports.String(user))
		if grouped {
			t.Set("group", imports.String(group))
		}
	}
	r.when(t, d, command)
	shell := r.environment(t)
	if hasInput {
		command = withInput(command, input)
	}
	if shell == "" || shell == "/bin/sh" || shell == "/usr/bin/sh" {
		t.Set("config.shell", imports.String(command))
	} else {
		t.Set("config.command", imports.Strings([]string{shell, "-c", command}))
	}
	switch {
	case slices.ContainsFunc(options, func(o string) bool { return strings.Contains(o, "s") }):
		r.found.Note(r.at(), imports.Differs, "-s is not needed: one run at a time is the rule")
	case len(options) > 0:
		r.found.Note(r.at(), imports.Skipped, "%s is about the mail of the command and has no equivalent", strings.Join(options, " "))
	}
	if strings.HasSuffix(command, "&") && !strings.HasSuffix(command, "&&") {
		r.found.Note(r.at(), imports.Differs, "the command ends with &: what it leaves in the background is ended with it; leave the & out")
	}
	r.mailFor(t)
}

// when says when the task runs.
func (r *reader) when(t *imports.Task, d due, command string) {
	if d.start {
		t.Mode = imports.Continuous
		t.Set("continuous.restart.policy", imports.String("never"))
		r.found.Note(r.at(), imports.Differs, "@reboot: it runs at every start of the host, not only of the machine; if it is a daemon, restart { policy = \"on_failure\" } keeps it going")
		return
	}
	t.Mode = imports.Periodic
	if d.every > 0 {
		t.Set("periodic.every", imports.Duration(d.every))
		return
	}
	t.Set("periodic.cron", imports.String(d.cron))
	if zone := r.zoneName(); zone != "" {
		t.Set("periodic.time_zone", imports.String(zone))
	}
	t.Set("periodic.catch_up.policy", imports.String("none"))
	if strings.Contains(command, "anacron") && strings.Contains(command, "run-parts") {
		r.found.Note(r.at(), imports.Differs, "where anacron is installed it does this work; catch_up { policy = \"latest\" } runs a slot that passed while the machine was off")
	}
}

func (r *reader) zoneName() string {
	if r.zone != "" {
		return r.zone
	}
	return r.opts.Zone
}

// environment gives the task what cron has set so far, and returns the shell.
func (r *reader) environment(t *imports.Task) (shell string) {
	shell, _ = r.env.Get("SHELL")
	env := r.env
	if _, set := env.Get("PATH"); !set {
		env = env.With("PATH", cronPath)
	}
	t.Set("env", imports.Map(env))
	if home, set := env.Get("HOME"); set && filepath.IsAbs(home) {
		t.Set("config.dir", imports.String(home))
	}
	return shell
}

// cronPath is what cron gives to a command when the crontab does not say.
const cronPath = "/usr/bin:/bin"

// withInput gives a command its standard input.
func withInput(command, input string) string {
	lines := strings.Split(strings.TrimSuffix(input, "\n"), "\n")
	for i, l := range lines {
		lines[i] = imports.Quote(l)
	}
	if !strings.ContainsAny(command, ";&|<>#(){}`\n") {
		return `printf '%s\n' ` + strings.Join(lines, " ") + " | " + command
	}
	return `printf '%s\n' ` + strings.Join(lines, " ") + " | {\n" + command + "\n}"
}
