package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"strings"
	"time"
	"unicode"
)

// How a connection to a mail server is protected.
const (
	StartTLS  = "starttls" // asked for, and refused without
	DirectTLS = "tls"
	NoTLS     = "none"
)

// What an e-mail says where a file does not say otherwise.
const (
	DefaultSubject = `[taskhost {{.Host}}] {{.Summary}}`
	DefaultText    = `{{.Summary}}
{{range .Items}}
{{.Kind}}  {{.Task}}{{if .Reason}}  {{.Reason}}{{end}}{{if .Text}}
    {{.Text}}{{end}}{{if .Run}}
    run {{.Run}} {{.Outcome}}{{if gt .Failures 1}}, {{.Failures}} failures in a row{{end}}{{end}}
    since {{time "2006-01-02 15:04:05 MST" .Since}}
{{end}}{{if .More}}
and {{.More}} more
{{end}}
message {{.ID}} of the notifier {{.Notifier}} on {{.Host}}
`
)

type email struct {
	of            Email
	subject, text *Template
	roots         *x509.CertPool // who may certify the mail server; nil are the system's
}

// send hands the message to the mail server, which answers for it from then on.
func (e *email) send(ctx context.Context, m Message, _ int) error {
	text, err := e.compose(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, e.of.Timeout)
	defer cancel()
	conn, host, err := e.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := e.talk(conn, host, text); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("the mail server did not answer within %s", e.of.Timeout)
		}
		return judgeSMTP(err)
	}
	return nil
}

func (e *email) dial(ctx context.Context) (net.Conn, string, error) {
	host, _, err := net.SplitHostPort(e.of.Server)
	if err != nil {
		return nil, "", permanent{err}
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", e.of.Server)
	if err != nil {
		return nil, "", err
	}
	if e.of.TLS == DirectTLS {
		conn = tls.Client(conn, e.tls(host))
	}
	return conn, host, nil
}

func (e *email) tls(host string) *tls.Config {
	return &tls.Config{ServerName: host, RootCAs: e.roots, MinVersion: tls.VersionTLS12}
}

func (e *email) talk(conn net.Conn, host string, text []byte) error {
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if e.of.TLS == StartTLS {
		if ok, _ := c.Extension("STARTTLS"); !ok {
			return permanent{errors.New("the mail server does not offer STARTTLS; give tls = \"none\" where the way to it is safe")}
		}
		if err := c.StartTLS(e.tls(host)); err != nil {
			return err
		}
	}
	if e.of.User != "" {
		if err := c.Auth(smtp.PlainAuth("", e.of.User, e.of.Password, host)); err != nil {
			return fmt.Errorf("log in to the mail server: %w", err)
		}
	}
	if err := c.Mail(address(e.of.From)); err != nil {
		return err
	}
	for _, to := range e.of.To {
		if err := c.Rcpt(address(to)); err != nil {
			return fmt.Errorf("%s: %w", to, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // it is delivered
	return nil
}

// address is the bare address of one with a name.
func address(text string) string {
	if a, err := mail.ParseAddress(text); err == nil {
		return a.Address
	}
	return text
}

// judgeSMTP takes a refusal of the message itself for final; servers say 5xx.
func judgeSMTP(err error) error {
	if e, ok := errors.AsType[*textproto.Error](err); ok && e.Code >= 550 && e.Code < 560 {
		return permanent{err}
	}
	return err
}

// compose writes the mail. No text of a task can become a header of its own.
func (e *email) compose(m Message) ([]byte, error) {
	subject, err := e.subject.Text(m)
	if err != nil {
		return nil, permanent{fmt.Errorf("the template of the subject fails: %w", err)}
	}
	text, err := e.text.Text(m)
	if err != nil {
		return nil, permanent{fmt.Errorf("the template fails: %w", err)}
	}
	var out bytes.Buffer
	header := func(name, value string) { fmt.Fprintf(&out, "%s: %s\r\n", name, value) }
	header("From", inHeader(e.of.From))
	to := make([]string, len(e.of.To))
	for i, one := range e.of.To {
		to[i] = inHeader(one)
	}
	header("To", strings.Join(to, ", "))
	header("Subject", mime.QEncoding.Encode("utf-8", oneLine(subject)))
	header("Date", m.At.Format(time.RFC1123Z))
	header("Message-ID", "<"+m.ID+"@"+hostPart(m.Host)+">")
	header("Auto-Submitted", "auto-generated")
	header("MIME-Version", "1.0")
	header("Content-Type", "text/plain; charset=utf-8")
	header("Content-Transfer-Encoding", "quoted-printable")
	out.WriteString("\r\n")
	w := quotedprintable.NewWriter(&out)
	if _, err := w.Write([]byte(strings.ReplaceAll(text, "\n", "\r\n"))); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// inHeader is an address as it may stand in a header, where everything is ASCII: a name that is not is encoded.
func inHeader(text string) string {
	a, err := mail.ParseAddress(text)
	if err != nil || !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII }) {
		return text
	}
	return a.String()
}

func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r < ' ' }), " ")
}

// hostPart is what may stand behind the @ of a Message-ID.
func hostPart(host string) string {
	return strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, host)
}
