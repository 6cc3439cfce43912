package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admintest"
)

// certify puts a fresh certificate and its key where the listener looks for them, each in one step.
func certify(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	made, file := site(t, time.Now().Add(time.Hour))
	key, err := x509.MarshalPKCS8PrivateKey(made.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"host.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), "host.pem": cert} {
		fresh := filepath.Join(dir, name+".new")
		if err := os.WriteFile(fresh, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(fresh, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(cert)
	return trust
}

// TestTheIngressSpeaksTLS posts as a program elsewhere does, and gives the host another certificate meanwhile.
func TestTheIngressSpeaksTLS(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freePort(t)
	first := certify(t, dir)
	config := filepath.Join(t.TempDir(), "config.hcl")
	text := fmt.Sprintf(`
host {
  data_dir = "data"
  ingress {
    listen          = [%q]
    max_connections = 50
    tls {
      cert_file = "host.pem"
      key_file  = "host.key"
    }
  }
}
queue "orders" {
  ingress = true
}
`, addr)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h := admintest.Start(t, admintest.Options{Config: config, Dir: dir})
	token, err := os.ReadFile(filepath.Join(h.DataDir, "producer.token"))
	if err != nil {
		t.Fatal(err)
	}
	post := func(ctx context.Context, scheme string, trust *x509.CertPool) error {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: trust}}}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, scheme+"://"+addr+"/v1/queues/orders/messages", strings.NewReader("{}"))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusAccepted {
			return fmt.Errorf("answered %s", res.Status)
		}
		return nil
	}
	if err := post(t.Context(), "https", first); err != nil {
		t.Errorf("over TLS: %v", err)
	}
	if err := post(t.Context(), "http", nil); err == nil {
		t.Error("a message was taken without TLS")
	}
	second := certify(t, dir)
	h.Until("the new certificate serves", func(ctx context.Context) error { return post(ctx, "https", second) })
	if err := post(t.Context(), "https", first); err == nil {
		t.Error("the old certificate still serves")
	}
	metrics, err := h.Metrics(t.Context())
	if want := fmt.Sprintf(`taskhost_http_max_connections{listener="ingress",address=%q} 50`, addr); err != nil || !strings.Contains(string(metrics), want) {
		t.Errorf("no %s, %v", want, err)
	}
}
