package crontab

import (
	"net/mail"
	"slices"
	"strings"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// mailing is what MAILTO and MAILFROM say at a place of a file.
type mailing struct {
	said bool
	to   []string
	from string
}

// mailTo takes a line MAILTO=…; nothing behind it switches mail off.
func (r *reader) mailTo(value string) {
	r.mail.said, r.mail.to = true, nil
	for _, a := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		if !isAddress(a) {
			r.broken("MAILTO: %q is no mail address", a)
			continue
		}
		r.mail.to = append(r.mail.to, a)
	}
	if len(r.mail.to) > 0 {
		r.found.Note(r.at(), imports.Differs, "MAILTO: cron mails all output; the notify block mails when runs fail, and when they succeed again; output is in the task's log. "+
			"Look at the server and the sender in it")
	}
}

func (r *reader) mailFrom(value string) {
	if !isAddress(value) {
		r.broken("MAILFROM: %q is no mail address", value)
		return
	}
	r.mail.from = value
}

func isAddress(text string) bool {
	_, err := mail.ParseAddress(imports.Address(text))
	return err == nil && !strings.ContainsAny(text, "<>\"")
}

// mailFor lets the receivers that hold here hear of the task.
func (r *reader) mailFor(t *imports.Task) {
	if !r.mail.said {
		r.unsaid = true
	}
	if len(r.mail.to) == 0 {
		return
	}
	i := slices.IndexFunc(r.found.Mails, func(m imports.Mail) bool {
		return m.From == r.mail.from && slices.Equal(m.To, r.mail.to)
	})
	if i < 0 {
		i = len(r.found.Mails)
		r.found.Mails = append(r.found.Mails, imports.Mail{To: r.mail.to, From: r.mail.from})
	}
	r.found.Mails[i].Tasks = append(r.found.Mails[i].Tasks, t)
}
