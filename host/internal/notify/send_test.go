package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taskhost/taskhost/host/internal/process"
)

func mustSender(t *testing.T, n Notifier) sender {
	t.Helper()
	s, err := newSender(n, process.Run, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAWebhookGetsTheMessageWithASignatureThatChecks(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{"plain text", "whsec_" + base64.StdEncoding.EncodeToString([]byte("key of 24 bytes, or more"))} {
		var head http.Header
		var body []byte
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			head = r.Header
			body, _ = io.ReadAll(r.Body)
		}))
		m := Sample("ops", epoch)
		s := mustSender(t, Notifier{Webhook: &Webhook{URL: server.URL, Secret: secret, Headers: map[string]string{"X-Token": "t"}, Timeout: time.Minute}})
		if err := s.send(t.Context(), m, 1); err != nil {
			t.Fatal(err)
		}
		server.Close()
		key := []byte(secret)
		if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
			key, _ = base64.StdEncoding.DecodeString(text)
		}
		sum := hmac.New(sha256.New, key)
		fmt.Fprintf(sum, "%s.%s.%s", head.Get("Webhook-Id"), head.Get("Webhook-Timestamp"), body)
		if want := "v1," + base64.StdEncoding.EncodeToString(sum.Sum(nil)); head.Get("Webhook-Signature") != want {
			t.Errorf("signature %q, want %q", head.Get("Webhook-Signature"), want)
		}
		at, err := strconv.ParseInt(head.Get("Webhook-Timestamp"), 10, 64)
		if err != nil || time.Since(time.Unix(at, 0)) > time.Minute {
			t.Errorf("timestamp %q", head.Get("Webhook-Timestamp"))
		}
		var got Message
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, got); diff != "" || head.Get("X-Token") != "t" || head.Get("Content-Type") != "application/json" {
			t.Error(diff, head)
		}
	}
}

func TestTheAnswerOfAWebhookSaysWhetherToTryAgain(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{200: "", 204: "", 302: "again", 400: "never", 401: "again", 413: "never", 429: "later", 500: "again", 503: "later"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Location", "/elsewhere")
			if r.URL.Path == "/elsewhere" {
				status = 200
			}
			w.WriteHeader(status)
		}))
		err := mustSender(t, Notifier{Webhook: &Webhook{URL: server.URL, Timeout: time.Minute}}).send(t.Context(), Sample("ops", epoch), 1)
		server.Close()
		got := ""
		var l later
		if err != nil {
			got = "again"
		}
		if _, never := errors.AsType[permanent](err); never {
			got = "never"
		}
		if errors.As(err, &l) {
			got = "later"
			if l.after != 7*time.Second {
				t.Errorf("%d: after %s", status, l.after)
			}
		}
		if got != want {
			t.Errorf("%d: %q (%v), want %q", status, got, err, want)
		}
	}
}

func TestErrorsOfAWebhookDoNotShowItsURL(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	err = mustSender(t, Notifier{Webhook: &Webhook{URL: "http://" + address + "/hooks/s3cret", Timeout: time.Minute}}).send(t.Context(), Sample("ops", epoch), 1)
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("%v", err)
	}
}

func emailTo(server string) *Email {
	return &Email{Server: server, TLS: NoTLS, From: "Taskhost <taskhost@example.org>", To: []string{"ops@example.org", "Ben <ben@example.org>"},
		Subject: DefaultSubject, Template: DefaultText, Timeout: time.Minute}
}

func TestAnEmailArrivesAtAMailServer(t *testing.T) {
	t.Parallel()
	server := &mailServer{user: "u"}
	server.start(t)
	e := emailTo(server.Addr().String())
	e.User, e.Password = "u", "p"
	m := Sample("ops", epoch)
	m.Summary = "prüfung failed\r\nBcc: everybody@example.org"
	m.Items[0].Text = "first\n.\n..second " + strings.Repeat("long ", 40)
	if err := mustSender(t, Notifier{Email: e}).send(t.Context(), m, 1); err != nil {
		t.Fatal(err)
	}
	server.mu.Lock()
	defer server.mu.Unlock()
	if !strings.HasPrefix(server.from, "FROM:<taskhost@example.org>") || len(server.to) != 2 || server.to[1] != "TO:<ben@example.org>" {
		t.Errorf("from %q to %q", server.from, server.to)
	}
	got, err := mail.ReadMessage(strings.NewReader(server.text))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || subject != "[taskhost localhost] prüfung failed Bcc: everybody@example.org" || got.Header.Get("Bcc") != "" {
		t.Errorf("subject %q, bcc %q, %v", subject, got.Header.Get("Bcc"), err)
	}
	if id := got.Header.Get("Message-ID"); id != "<"+m.ID+"@localhost>" {
		t.Errorf("message id %q", id)
	}
	text, err := io.ReadAll(quotedprintable.NewReader(got.Body))
	if err != nil || !strings.Contains(string(text), "first\r\n.\r\n..second long") || !strings.Contains(string(text), "example  test") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestWhatAMailServerRefusesIsTriedAgainUnlessItIsFinal(t *testing.T) {
	t.Parallel()
	for refusal, final := range map[string]bool{"451 greylisted": false, "550 no such user": true} {
		server := startMailServer(t)
		server.refuse = refusal
		err := mustSender(t, Notifier{Email: emailTo(server.Addr().String())}).send(t.Context(), Sample("ops", epoch), 1)
		if _, is := errors.AsType[permanent](err); err == nil || is != final {
			t.Errorf("%s: %v, final %v", refusal, err, is)
		}
	}
	server := startMailServer(t)
	e := emailTo(server.Addr().String())
	e.TLS = StartTLS
	if err := mustSender(t, Notifier{Email: e}).send(t.Context(), Sample("ops", epoch), 1); err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("without STARTTLS: %v", err)
	}
}

func TestAMailServerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := emailTo(l.Addr().String())
	e.Timeout = 50 * time.Millisecond
	if err := mustSender(t, Notifier{Email: e}).send(t.Context(), Sample("ops", epoch), 1); err == nil || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("%v", err)
	}
}

func TestACommandGetsTheMessageOnItsInputAndWhatItIsAboutInItsEnvironment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := &Exec{Command: []string{"/bin/sh", "-c", `cat > in; echo "$TASKHOST_KIND $TASKHOST_TASKS $TASKHOST_ATTEMPT $OWN" > env; exit ${CODE:-0}`}, Env: map[string]string{"OWN": "own"}, Dir: dir, Timeout: time.Minute}
	m := Sample("ops", epoch)
	if err := mustSender(t, Notifier{Exec: e}).send(t.Context(), m, 3); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "in"))
	if err != nil {
		t.Fatal(err)
	}
	var got Message
	if err := json.Unmarshal(text, &got); err != nil || got.ID != m.ID {
		t.Errorf("%s %v", text, err)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "env")); string(text) != "test example 3 own\n" {
		t.Errorf("environment %q", text)
	}
	e.Env["CODE"] = "4"
	if err := mustSender(t, Notifier{Exec: e}).send(t.Context(), m, 1); err == nil || !strings.Contains(err.Error(), "exit 4") {
		t.Errorf("%v", err)
	}
}

func TestACommandThatTakesTooLongIsKilledWithItsChildren(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := &Exec{Command: []string{"/bin/sh", "-c", "(sleep 600 & echo $! > child); sleep 600"}, Dir: dir, Timeout: 500 * time.Millisecond}
	err := mustSender(t, Notifier{Exec: e}).send(t.Context(), Sample("ops", epoch), 1)
	if err == nil || !strings.Contains(err.Error(), "did not end within") {
		t.Errorf("%v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(stat), ") Z ") {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("the child lives: %s", stat)
		}
	}
}

func TestATestOfASenderEndsWithItsContext(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client is gone
		close(began)
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	if err := mustSender(t, Notifier{Webhook: &Webhook{URL: server.URL, Timeout: time.Minute}}).send(ctx, Sample("ops", epoch), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
