package admin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admin"
)

func TestTheFilesOfTLSAreFoundAndMustFit(t *testing.T) {
	t.Parallel()
	found, err := admin.Find(disk{"$TASKHOST_TLS_CA": "/ca", "$TASKHOST_TLS_CERT": "/c", "$TASKHOST_TLS_KEY": "/k", "/srv/data/admin.token": "th_x"}.where(admin.Where{Addr: "https://h:1", CertFile: "/mine"}))
	if err != nil || found.CAFile != "/ca" || found.CertFile != "/mine" || found.KeyFile != "/k" || found.Token != "" {
		t.Errorf("%+v %v; a certificate stands for the caller, no token that lies about", found, err)
	}
	for name, c := range map[string]struct {
		disk disk
		w    admin.Where
		says string
	}{
		"a CA that is not there":       {disk{}, admin.Where{CAFile: "/ca"}, "TASKHOST_TLS_CA"},
		"a CA that is none":            {disk{"/ca": "x"}, admin.Where{CAFile: "/ca"}, "no certificate in PEM"},
		"a certificate without key":    {disk{"/c": "x"}, admin.Where{CertFile: "/c"}, "-tls-key"},
		"a key without certificate":    {disk{"/k": "x"}, admin.Where{KeyFile: "/k"}, "-tls-cert"},
		"a certificate that is none":   {disk{"/c": "x", "/k": "x"}, admin.Where{CertFile: "/c", KeyFile: "/k"}, "client certificate /c"},
		"a certificate not there":      {disk{"/k": "x"}, admin.Where{CertFile: "/c", KeyFile: "/k"}, "client certificate"},
		"a key that is not there":      {disk{"/c": "x"}, admin.Where{CertFile: "/c", KeyFile: "/k"}, "key of the client certificate"},
		"a token on the open road":     {disk{}, admin.Where{Addr: "http://h.example:1", Token: "th_x"}, "https://h.example:1"},
		"the same without a scheme":    {disk{}, admin.Where{Addr: "10.0.0.1:1", Token: "th_x"}, "readable on the way"},
		"a token to a name that lures": {disk{}, admin.Where{Addr: "http://localhost.example:1", Token: "th_x"}, "readable on the way"},
	} {
		if c.w.Addr == "" {
			c.w.Addr = "https://h:1"
		}
		if _, err := admin.Dial(c.disk.where(c.w), admin.Options{}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAddressThatSpeaksTLSOrDoesNotSaysSo(t *testing.T) {
	t.Parallel()
	plain, secure := httptest.NewServer(http.NotFoundHandler()), httptest.NewTLSServer(http.NotFoundHandler())
	defer plain.Close()
	defer secure.Close()
	for addr, says := range map[string]string{
		strings.Replace(plain.URL, "http:", "https:", 1):  "write http:// in the address",
		strings.Replace(secure.URL, "https:", "http:", 1): "write https:// in the address",
		secure.URL:           "-tls-ca or TASKHOST_TLS_CA",
		"http://127.0.0.1:1": "is `taskhost serve` running?",
	} {
		c, err := admin.New(addr, admin.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Whoami(t.Context()); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", addr, err)
		}
		c.Close()
	}
}
