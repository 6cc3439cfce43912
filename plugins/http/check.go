package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/task"
)

// CheckConfig is what `config {}` of a check takes.
type CheckConfig struct {
	URL             string            `task:"url" kind:"url" doc:"what to ask for"`
	Method          string            `task:"method,optional" default:"GET" doc:"HTTP method"`
	Headers         map[string]string `task:"headers,optional" doc:"headers of the request"`
	Body            string            `task:"body,optional" doc:"body of the request"`
	Timeout         time.Duration     `task:"timeout,optional" default:"10s" min:"1ms" doc:"of the request as a whole; a site that takes longer is unhealthy"`
	ExpectStatus    []int             `task:"expect_status,optional" doc:"status codes of a healthy site; any from 200 to 299 when empty"`
	BodyMatch       string            `task:"body_match,optional" doc:"regular expression (RE2) that must match the body of a healthy site"`
	BodyNot         string            `task:"body_not,optional" doc:"regular expression (RE2) that must not match it"`
	MaxBody         int64             `task:"max_body,optional" default:"1MiB" kind:"bytes" min:"0" doc:"how much of the body is read"`
	FollowRedirects bool              `task:"follow_redirects,optional" default:"true" doc:"follow up to 10 redirects; otherwise the redirect is the answer"`
	TLS             TLSConfig         `task:"tls,block,optional" doc:"of an https URL"`
}

// TLSConfig says what a check expects of the site's certificate.
type TLSConfig struct {
	CA            string        `task:"ca,optional" doc:"file with the certificates (PEM) that are trusted instead of the system's"`
	SkipVerify    bool          `task:"skip_verify,optional" default:"false" doc:"accept any certificate"`
	ExpiresWithin time.Duration `task:"expires_within,optional" default:"0s" min:"0s" doc:"unhealthy when the certificate expires within this time; 0s: only when it has expired"`
}

// Validate checks what no single attribute can say.
func (c CheckConfig) Validate() []task.Problem {
	problems := append(checkURL("url", c.URL), checkHeaders(c.Headers)...)
	if !httpguts.ValidHeaderFieldName(c.Method) {
		problems = append(problems, task.Wrong("method", fmt.Sprintf("%q is not an HTTP method", c.Method)))
	}
	for i, s := range c.ExpectStatus {
		if s < 100 || s > 599 {
			problems = append(problems, task.Wrong(fmt.Sprintf("expect_status[%d]", i), fmt.Sprintf("%d is no status: they go from 100 to 599", s)))
		}
	}
	for _, e := range []struct{ path, text string }{{"body_match", c.BodyMatch}, {"body_not", c.BodyNot}} {
		if _, err := regexp.Compile(e.text); err != nil {
			problems = append(problems, task.Wrong(e.path, err.Error()))
		}
	}
	return problems
}

// Result is what a check found; it is published as well.
type Result struct {
	OK        bool     `json:"ok"`
	Status    int      `json:"status,omitempty"` // 0 without an answer
	LatencyMS float64  `json:"latency_ms"`       // until the body was read, or the failure
	TLSDays   *float64 `json:"tls_expires_in_days,omitempty"`
	Reason    string   `json:"reason,omitempty"` // why it is not ok
}

// check asks one site, over a new connection every time: a connection that is kept
// would hide what is wrong with making one.
type check struct {
	config     CheckConfig
	match, not *regexp.Regexp // nil for none
	client     *http.Client
}

var _ task.JobRunner[struct{}, Result] = (*check)(nil)

func openCheck(_ context.Context, _ *task.Host, c CheckConfig) (*check, error) {
	trust, err := c.TLS.config()
	if err != nil {
		return nil, task.Permanent(err)
	}
	k := &check{config: c, client: &http.Client{
		Transport: &http.Transport{
			Proxy:             http.ProxyFromEnvironment,
			TLSClientConfig:   trust,
			ForceAttemptHTTP2: true,
			DisableKeepAlives: true,
		},
	}}
	if !c.FollowRedirects {
		k.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	if c.BodyMatch != "" {
		k.match = regexp.MustCompile(c.BodyMatch) // Validate has compiled it
	}
	if c.BodyNot != "" {
		k.not = regexp.MustCompile(c.BodyNot)
	}
	return k, nil
}

func (c TLSConfig) config() (*tls.Config, error) {
	config := &tls.Config{InsecureSkipVerify: c.SkipVerify}
	if c.CA == "" {
		return config, nil
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("read tls.ca: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read tls.ca: %s holds no certificate in PEM form", c.CA)
	}
	return config, nil
}

// Run asks once. What is wrong with the site is Unhealthy; only what keeps the check
// from being made is an error of another kind.
func (k *check) Run(ctx context.Context, h *task.Host, _ struct{}) (Result, error) {
	limited, cancel := context.WithTimeout(ctx, k.config.Timeout)
	defer cancel()
	request, err := newRequest(limited, k.config.Method, k.config.URL, k.config.Body, k.config.Headers)
	if err != nil {
		return Result{}, err
	}
	began := time.Now()
	found, body, err := k.ask(request)
	latency := time.Since(began)
	if ctx.Err() != nil {
		return Result{}, fmt.Errorf("the check was stopped: %w", context.Cause(ctx))
	}
	r := Result{LatencyMS: float64(latency.Microseconds()) / 1000, Status: found.status}
	if !found.expires.IsZero() {
		days := math.Round(time.Until(found.expires).Hours()/24*100) / 100
		r.TLSDays = &days
	}
	if err != nil {
		r.Reason = k.noAnswer(err, limited.Err() != nil)
	} else {
		r.Reason = k.judge(found, body, time.Now())
	}
	r.OK = r.Reason == ""
	if err := r.publish(h); err != nil {
		return r, err
	}
	if !r.OK {
		return r, task.Unhealthy(r.Reason)
	}
	return r, nil
}

// publish shows the result as state. What is not known this time is null: it must not
// stay as it was.
func (r Result) publish(h *task.Host) error {
	var status *int
	if r.Status != 0 {
		status = &r.Status
	}
	return errors.Join(
		h.Publish("ok", r.OK),
		h.Publish("status", status),
		h.Publish("latency_ms", r.LatencyMS),
		h.Publish("tls_expires_in_days", r.TLSDays),
		h.Publish("reason", r.Reason),
	)
}

// answer is what a site answered.
type answer struct {
	status  int
	expires time.Time // of the certificate; zero without one
}

// ask makes the request and reads the body. Also with an error, what was learned before
// it is returned.
func (k *check) ask(request *http.Request) (answer, []byte, error) {
	response, err := k.client.Do(request)
	if err != nil {
		var found answer
		if untrusted, ok := errors.AsType[*tls.CertificateVerificationError](err); ok && len(untrusted.UnverifiedCertificates) > 0 {
			found.expires = untrusted.UnverifiedCertificates[0].NotAfter
		}
		return found, nil, err
	}
	defer response.Body.Close()
	found := answer{status: response.StatusCode}
	if response.TLS != nil && len(response.TLS.PeerCertificates) > 0 {
		found.expires = response.TLS.PeerCertificates[0].NotAfter
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, k.config.MaxBody))
	if err != nil {
		return found, nil, fmt.Errorf("read the body: %w", err)
	}
	return found, body, nil
}

// noAnswer says in a sentence why there is none; the URL stands in the config and may
// hold a password.
func (k *check) noAnswer(err error, late bool) string {
	if late {
		return fmt.Sprintf("no answer within %s", schema.FormatDuration(k.config.Timeout))
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return err.Error()
}

// judge says why the site is not well, "" when it is.
func (k *check) judge(a answer, body []byte, now time.Time) string {
	switch {
	case len(k.config.ExpectStatus) == 0 && (a.status < 200 || a.status > 299):
		return fmt.Sprintf("status %d, want 200 to 299", a.status)
	case len(k.config.ExpectStatus) > 0 && !slices.Contains(k.config.ExpectStatus, a.status):
		return fmt.Sprintf("status %d, want one of %v", a.status, k.config.ExpectStatus)
	case k.match != nil && !k.match.Match(body):
		return fmt.Sprintf("the body does not match %q", k.config.BodyMatch)
	case k.not != nil && k.not.Match(body):
		return fmt.Sprintf("the body matches %q", k.config.BodyNot)
	case a.expires.IsZero():
		return ""
	case now.After(a.expires) && !k.config.TLS.SkipVerify:
		return fmt.Sprintf("the certificate has expired on %s", a.expires.UTC().Format(time.DateOnly))
	case k.config.TLS.ExpiresWithin > 0 && now.Add(k.config.TLS.ExpiresWithin).After(a.expires):
		return fmt.Sprintf("the certificate expires on %s, within %s", a.expires.UTC().Format(time.DateOnly), schema.FormatDuration(k.config.TLS.ExpiresWithin))
	}
	return ""
}
