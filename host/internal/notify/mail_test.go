package notify

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"
)

// mailServer speaks SMTP as far as a client needs it, and keeps what it is given.
type mailServer struct {
	net.Listener
	refuse string      // the answer to RCPT; "" takes it
	user   string      // who must log in, with the password p; "" is nobody
	tls    *tls.Config // nil speaks none
	direct bool        // it speaks TLS from the first byte on

	mu   sync.Mutex
	from string
	to   []string
	text string
	safe bool // the message came by TLS
}

func startMailServer(t *testing.T) *mailServer {
	t.Helper()
	m := &mailServer{}
	m.start(t)
	return m
}

func (m *mailServer) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.Listener = l
	var talks sync.WaitGroup
	talks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			talks.Go(func() { defer conn.Close(); m.talk(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); talks.Wait() })
}

func (m *mailServer) talk(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	safe := m.direct
	if m.direct {
		conn = tls.Server(conn, m.tls)
	}
	in := bufio.NewReader(conn)
	say := func(text string) { fmt.Fprintf(conn, "%s\r\n", text) }
	say("220 mail.test ESMTP")
	loggedIn := m.user == ""
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		m.mu.Lock()
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-mail.test")
			if m.tls != nil && !safe {
				say("250-STARTTLS")
			}
			say("250-AUTH PLAIN")
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, m.tls)
			in, safe = bufio.NewReader(conn), true
		case "AUTH":
			plain, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(rest, "PLAIN "))
			if loggedIn = string(plain) == "\x00"+m.user+"\x00p"; loggedIn {
				say("235 welcome")
			} else {
				say("535 who are you")
			}
		case "MAIL":
			if !loggedIn {
				say("530 log in first")
				break
			}
			m.from, m.safe = rest, safe
			say("250 ok")
		case "RCPT":
			if m.refuse != "" {
				say(m.refuse)
				break
			}
			m.to = append(m.to, rest)
			say("250 ok")
		case "DATA":
			say("354 go on")
			var text strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil || line == ".\r\n" {
					break
				}
				text.WriteString(strings.TrimPrefix(line, "."))
			}
			m.text = text.String()
			say("250 queued")
		case "QUIT":
			say("221 bye")
			m.mu.Unlock()
			return
		default:
			say("502 what")
		}
		m.mu.Unlock()
	}
}

// certified is a certificate for 127.0.0.1, and who vouches for it.
func certified(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, roots
}

func trusting(t *testing.T, e *Email, roots *x509.CertPool) sender {
	t.Helper()
	s := mustSender(t, Notifier{Email: e})
	s.(*email).roots = roots
	return s
}

func TestAnEmailArrivesOverTLS(t *testing.T) {
	t.Parallel()
	for _, how := range []string{StartTLS, DirectTLS} {
		config, roots := certified(t)
		server := &mailServer{tls: config, direct: how == DirectTLS, user: "u"}
		server.start(t)
		e := emailTo(server.Addr().String())
		e.TLS, e.User, e.Password = how, "u", "p"
		if err := trusting(t, e, roots).send(t.Context(), Sample("ops", epoch), 1); err != nil {
			t.Errorf("%s: %v", how, err)
		}
		server.mu.Lock()
		if !server.safe || len(server.to) != 2 || !strings.Contains(server.text, "Subject: ") {
			t.Errorf("%s: by TLS %v, to %v: %s", how, server.safe, server.to, server.text)
		}
		server.mu.Unlock()
	}
}

func TestTheHeaderOfAnEmailIsASCII(t *testing.T) {
	t.Parallel()
	server := startMailServer(t)
	e := emailTo(server.Addr().String())
	e.From, e.To = "Nachtwächter <night@example.org>", []string{"Zoë <zoe@example.org>", "ops@example.org"}
	if err := mustSender(t, Notifier{Email: e}).send(t.Context(), Sample("ops", epoch), 1); err != nil {
		t.Fatal(err)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	head, _, _ := strings.Cut(server.text, "\r\n\r\n")
	if i := strings.IndexFunc(head, func(r rune) bool { return r > 0x7f }); i >= 0 {
		t.Errorf("it says %q", head[i:])
	}
	m, err := mail.ReadMessage(strings.NewReader(server.text))
	if err != nil {
		t.Fatal(err)
	}
	from, err := m.Header.AddressList("From")
	to, toErr := m.Header.AddressList("To")
	if err != nil || toErr != nil || from[0].Name != "Nachtwächter" || len(to) != 2 || to[0].Name != "Zoë" || to[1].Address != "ops@example.org" {
		t.Errorf("it is from %v to %v, %v %v", from, to, err, toErr)
	}
}

func TestAMailServerThatNobodyVouchesForGetsNothing(t *testing.T) {
	t.Parallel()
	for _, how := range []string{StartTLS, DirectTLS} {
		config, roots := certified(t)
		server := &mailServer{tls: config, direct: how == DirectTLS, user: "u"}
		server.start(t)
		_, port, _ := net.SplitHostPort(server.Addr().String())
		for name, tt := range map[string]struct {
			addr  string
			roots *x509.CertPool
			want  string
		}{
			"not certified by anybody known": {server.Addr().String(), x509.NewCertPool(), "certificate signed by unknown authority"},
			"certified for another name":     {net.JoinHostPort("localhost", port), roots, "localhost"},
		} {
			e := emailTo(tt.addr)
			e.TLS, e.User, e.Password = how, "u", "p"
			err := trusting(t, e, tt.roots).send(t.Context(), Sample("ops", epoch), 1)
			if _, final := errors.AsType[permanent](err); err == nil || final || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, %s: %v; want %q, to be tried again", how, name, err, tt.want)
			}
		}
		server.mu.Lock()
		if server.from != "" || server.text != "" {
			t.Errorf("%s: it got %q %q", how, server.from, server.text)
		}
		server.mu.Unlock()
	}
}

func TestAMailServerWithoutTLSGetsNothingThatIsMeantForOneWith(t *testing.T) {
	t.Parallel()
	server := startMailServer(t)
	e := emailTo(server.Addr().String())
	e.TLS, e.Timeout = DirectTLS, 30*time.Second
	if err := mustSender(t, Notifier{Email: e}).send(t.Context(), Sample("ops", epoch), 1); err == nil || !strings.Contains(err.Error(), "TLS handshake") {
		t.Errorf("%v", err)
	}
}
