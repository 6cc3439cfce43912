package api

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// TLSOptions say how a listener proves who it is, and whom it believes.
type TLSOptions struct {
	CertFile, KeyFile string
	ClientCAFile      string          // "": certificates of clients are not asked for
	ClientOptional    bool            // who has no certificate may show a token
	ClientRoles       map[string]Role // by a name in the certificate
	MinVersion        uint16          // 0 is TLS 1.2
	Log               hclog.Logger
	Now               func() time.Time
}

// certCheck is how long files are trusted not to have changed.
const certCheck = 2 * time.Second

// TLS serves with the certificate in files, and reads them again when they change. A pair that cannot be
// used leaves the one before it in place. It is safe for concurrent use.
type TLS struct {
	TLSOptions

	mu      sync.Mutex
	looked  time.Time
	stamp   string // of the files that were read last, also when they were of no use
	current *tls.Config
	leaf    *x509.Certificate
}

// NewTLS reads the files. What cannot be used now would let nobody in, or everybody: it is an error.
func NewTLS(o TLSOptions) (*TLS, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = hclog.NewNullLogger()
	}
	if o.MinVersion == 0 {
		o.MinVersion = tls.VersionTLS12
	}
	t := &TLS{TLSOptions: o, looked: o.Now(), stamp: stampOf(o.files())}
	var err error
	if t.current, t.leaf, err = o.read(); err != nil {
		return nil, err
	}
	return t, nil
}

func (o TLSOptions) files() []string {
	files := []string{o.CertFile, o.KeyFile}
	if o.ClientCAFile != "" {
		files = append(files, o.ClientCAFile)
	}
	return files
}

// read makes the configuration that the files stand for.
func (o TLSOptions) read() (*tls.Config, *x509.Certificate, error) {
	if err := checkKeyFile(o.KeyFile); err != nil {
		return nil, nil, err
	}
	pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read the certificate %s with the key %s: %w", o.CertFile, o.KeyFile, err)
	}
	c := &tls.Config{
		Certificates: []tls.Certificate{pair},
		MinVersion:   o.MinVersion,
		NextProtos:   []string{"http/1.1"},
		// A session that is resumed is not checked against a new client CA.
		SessionTicketsDisabled: true,
	}
	if o.ClientCAFile == "" {
		return c, pair.Leaf, nil
	}
	data, err := os.ReadFile(o.ClientCAFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read the CA of clients: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(data) {
		return nil, nil, fmt.Errorf("read the CA of clients: %s holds no certificate in PEM", o.ClientCAFile)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	if o.ClientOptional {
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c, pair.Leaf, nil
}

// checkKeyFile refuses a key that everybody may read.
func checkKeyFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read the key of the certificate: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		return fmt.Errorf("the key %s may be used by everybody (mode %#o); run: chmod o-rwx %s", path, mode, path)
	}
	return nil
}

// stampOf changes when one of the files does.
func stampOf(files []string) string {
	stamp := ""
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			stamp += err.Error() + "\n"
			continue
		}
		stamp += fmt.Sprintf("%d %d\n", info.Size(), info.ModTime().UnixNano())
	}
	return stamp
}

// config is what the next handshake uses.
func (t *TLS) config() (*tls.Config, *x509.Certificate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.Now()
	if passed := now.Sub(t.looked); passed >= 0 && passed < certCheck {
		return t.current, t.leaf
	}
	t.looked = now
	stamp := stampOf(t.files())
	if stamp == t.stamp {
		return t.current, t.leaf
	}
	t.stamp = stamp
	c, leaf, err := t.read()
	if err != nil {
		t.Log.Error("the new certificate cannot be used; the old one goes on", "err", err)
		return t.current, t.leaf
	}
	t.Log.Info("certificate read again", "file", t.CertFile, "expires", leaf.NotAfter)
	t.current, t.leaf = c, leaf
	return c, leaf
}

// names reports whether the certificate is for this host name or address.
func (t *TLS) names(host string) bool {
	_, leaf := t.config()
	return leaf.VerifyHostname(host) == nil
}

// listener makes a listener speak TLS.
func (t *TLS) listener(l net.Listener) net.Listener {
	return tls.NewListener(&tlsListener{l, t}, &tls.Config{
		MinVersion: t.MinVersion,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c, _ := t.config()
			return c, nil
		},
	})
}

// tlsListener keeps with each connection what it is served with.
type tlsListener struct {
	net.Listener
	tls *TLS
}

type tlsConn struct {
	net.Conn
	tls *TLS
}

// Accept waits for the next connection.
func (l *tlsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &tlsConn{c, l.tls}, nil
}
