package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The headers of the Standard Webhooks convention, which libraries in many languages check.
const (
	headerID        = "Webhook-Id"
	headerTime      = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

// secretPrefix begins a secret that is written in base64.
const secretPrefix = "whsec_"

type webhook struct {
	of     Webhook
	body   *Template
	client *http.Client
	now    func() time.Time
}

// webhookClient follows no redirect: a signed message goes where the configuration says, and nowhere else.
func webhookClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send posts the message. The answer counts by its status alone.
func (w *webhook) send(ctx context.Context, m Message, _ int) error {
	body, err := render(w.body, m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, w.of.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.of.URL, bytes.NewReader(body))
	if err != nil {
		return permanent{withoutURL(err)}
	}
	r.Header.Set("User-Agent", "taskhost")
	r.Header.Set("Content-Type", contentType(body))
	for name, value := range w.of.Headers {
		r.Header.Set(name, value)
	}
	w.sign(r.Header, m.ID, body)
	answer, err := w.client.Do(r)
	if err != nil {
		return withoutURL(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10))
	return judgeAnswer(answer.StatusCode, answer.Header)
}

// sign says which message it is and, with a secret, that it is ours: the HMAC-SHA256 of "id.timestamp.body".
func (w *webhook) sign(h http.Header, id string, body []byte) {
	at := strconv.FormatInt(w.now().Unix(), 10)
	h.Set(headerID, id)
	h.Set(headerTime, at)
	if w.of.Secret == "" {
		return
	}
	sum := hmac.New(sha256.New, SigningKey(w.of.Secret))
	fmt.Fprintf(sum, "%s.%s.%s", id, at, body)
	h.Set(headerSignature, "v1,"+base64.StdEncoding.EncodeToString(sum.Sum(nil)))
}

// SigningKey is the key that a secret stands for: what follows whsec_ in base64, or its own bytes.
func SigningKey(secret string) []byte {
	if text, ok := strings.CutPrefix(secret, secretPrefix); ok {
		if key, err := base64.StdEncoding.DecodeString(text); err == nil {
			return key
		}
	}
	return []byte(secret)
}

func contentType(body []byte) string {
	if json.Valid(body) {
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

// judgeAnswer takes a status for what it says of another try.
func judgeAnswer(status int, h http.Header) error {
	if status >= 200 && status < 300 {
		return nil
	}
	err := fmt.Errorf("the answer is %d %s", status, http.StatusText(status))
	switch status {
	case http.StatusBadRequest, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return permanent{err}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if seconds, bad := strconv.Atoi(h.Get("Retry-After")); bad == nil && seconds > 0 {
			return later{err, min(time.Duration(seconds)*time.Second, time.Hour)}
		}
	}
	return err
}

// withoutURL is the cause of an error of net/http alone: the URL may hold a secret.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
