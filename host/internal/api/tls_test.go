package api_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/api"
	"github.com/taskhost/taskhost/host/internal/api/apitest"
)

// text is a log that a test reads. It is safe for concurrent use.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.Write(p)
}

func (x *text) count(what string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Count(x.buf.String(), what)
}

// secured serves l over TLS with the options until the test ends, and returns the address.
func secured(t *testing.T, l *apitest.Live, o api.TLSOptions) string {
	t.Helper()
	secure, err := api.NewTLS(o)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := api.Listen(t.Context(), "127.0.0.1:0", api.Listening{TLS: secure})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- l.API.ServeIngress(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// serialAt is the serial number of the certificate that is served at addr.
func serialAt(addr string, trust *tls.Config) (string, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", addr, trust)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

func TestACertificateThatChangesIsServedAndABrokenOneIsNot(t *testing.T) {
	t.Parallel()
	l, clock, log := apitest.Start(t, ""), &clock{at: apitest.Epoch}, &text{}
	issue := func() (cert, key string) {
		cert, key, err := l.Authority.Issue("turning", "", 0, "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	cert, key := issue()
	addr := secured(t, l, api.TLSOptions{CertFile: cert, KeyFile: key, Now: clock.now, Log: hclog.New(&hclog.LoggerOptions{Output: log})})
	trust, err := l.Authority.Client("", "")
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		t.Helper()
		s, err := serialAt(addr, trust)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := serial()
	issue()
	if got := serial(); got != first {
		t.Errorf("the files are looked at for every connection: %s", got)
	}
	clock.add(3 * time.Second)
	second := serial()
	if second == first {
		t.Error("the new certificate is not served")
	}
	if err := os.WriteFile(cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		clock.add(3 * time.Second)
		if got := serial(); got != second {
			t.Errorf("with a broken one: %s, want %s", got, second)
		}
	}
	if n := log.count("cannot be used"); n != 1 {
		t.Errorf("the broken one was told of %d times", n)
	}
	issue()
	clock.add(3 * time.Second)
	if got := serial(); got == second {
		t.Error("the mended one is not served")
	}
}

func TestAClientsAuthorityThatChangesIsBelievedAtTheNextConnection(t *testing.T) {
	t.Parallel()
	l, clock := apitest.Start(t, ""), &clock{at: apitest.Epoch}
	cert, key, err := l.Authority.Issue("host", "", 0, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	clients, err := apitest.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	addr := secured(t, l, api.TLSOptions{CertFile: cert, KeyFile: key, ClientCAFile: clients.CAFile, ClientRoles: apitest.Roles, Now: clock.now})
	mine, mineKey, err := clients.Issue("mine", "admin.example", 0)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := l.Authority.Client(mine, mineKey)
	if err != nil {
		t.Fatal(err)
	}
	trust.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	get := func() error {
		res, err := client.Get("https://" + addr + "/healthz")
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			return errors.New(res.Status)
		}
		return nil
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	other, err := apitest.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other.CAFile, clients.CAFile); err != nil {
		t.Fatal(err)
	}
	clock.add(3 * time.Second)
	if err := get(); err == nil {
		t.Error("a certificate of the old authority is believed, or its session resumed")
	}
}

func TestTLSThatWouldLetInNobodyOrEverybodyIsNotServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, err := apitest.NewAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := a.Issue("host", "", 0, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	_, otherKey, err := a.Issue("other", "", 0, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	empty, open := filepath.Join(dir, "empty"), filepath.Join(dir, "open.key")
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(empty, nil, 0o600), os.WriteFile(open, text, 0o600), os.Chmod(open, 0o644)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    api.TLSOptions
		says string
	}{
		"no file":                   {api.TLSOptions{CertFile: "/no/such", KeyFile: key}, "/no/such"},
		"no key":                    {api.TLSOptions{CertFile: cert, KeyFile: "/no/such"}, "key"},
		"another one's key":         {api.TLSOptions{CertFile: cert, KeyFile: otherKey}, "does not match"},
		"a key that all may read":   {api.TLSOptions{CertFile: cert, KeyFile: open}, "chmod o-rwx"},
		"an authority that is none": {api.TLSOptions{CertFile: cert, KeyFile: key, ClientCAFile: empty}, "no certificate"},
		"no authority":              {api.TLSOptions{CertFile: cert, KeyFile: key, ClientCAFile: "/no/such"}, "/no/such"},
	} {
		if _, err := api.NewTLS(c.o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOldVersionsOfTLSAreRefused(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	cert, key, err := l.Authority.Issue("strict", "", 0, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	strict := secured(t, l, api.TLSOptions{CertFile: cert, KeyFile: key, MinVersion: tls.VersionTLS13})
	for addr, versions := range map[string]map[uint16]bool{
		l.TLS:  {tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true},
		strict: {tls.VersionTLS12: false, tls.VersionTLS13: true},
	} {
		for version, served := range versions {
			trust, err := l.Authority.Client("", "")
			if err != nil {
				t.Fatal(err)
			}
			trust.MinVersion, trust.MaxVersion = version, version
			if _, err := serialAt(addr, trust); (err == nil) != served {
				t.Errorf("%s: %v, want served = %v", tls.VersionName(version), err, served)
			}
		}
	}
}

func TestOverTLSTheHostHeaderNamesTheCertificate(t *testing.T) {
	t.Parallel()
	l := apitest.Start(t, "")
	trust, err := l.Authority.Client("", "")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
	defer client.CloseIdleConnections()
	for host, want := range map[string]int{"host.example": 200, "HOST.example:7480": 200, "127.0.0.1": 200, "localhost": 200, "evil.example": 421, "10.0.0.1": 421, "host.example.evil": 421} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+l.TLS+"/v1/whoami", nil)
		if err != nil {
			t.Fatal(err)
		}
		withToken(req)
		req.Host = host
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("Host %q: %d, want %d", host, res.StatusCode, want)
		}
	}
}
