package admin

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// tls is the configuration for an https address, nil when nothing is said of it.
func (w Where) tls() (*tls.Config, error) {
	if w.CAFile == "" && w.CertFile == "" && w.KeyFile == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if w.CAFile != "" {
		data, err := w.ReadFile(w.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read the CA: %w; name another file with -tls-ca or TASKHOST_TLS_CA", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("read the CA: %s holds no certificate in PEM", w.CAFile)
		}
	}
	if (w.CertFile == "") != (w.KeyFile == "") {
		return nil, errors.New("a client certificate needs its key; give both, -tls-cert and -tls-key (TASKHOST_TLS_CERT, TASKHOST_TLS_KEY)")
	}
	if w.CertFile == "" {
		return c, nil
	}
	cert, err := w.ReadFile(w.CertFile)
	if err != nil {
		return nil, fmt.Errorf("read the client certificate: %w", err)
	}
	key, err := w.ReadFile(w.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read the key of the client certificate: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("read the client certificate %s with the key %s: %w", w.CertFile, w.KeyFile, err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// isLoopback reports whether the host part of an address is this machine.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// remedy says what to do about an error of a connection that came about; "" when it did not.
func (c *Client) remedy(err error) string {
	if wrong, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("its certificate is for %s: use such a name in the address", namesOf(wrong.Certificate))
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "name the authority of its certificate with -tls-ca or TASKHOST_TLS_CA"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "its certificate cannot be trusted: have it made anew"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || strings.Contains(err.Error(), "HTTP response to HTTPS client") {
		return "it speaks no TLS there: write http:// in the address"
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return remedyOf(alert)
	}
	for _, known := range []tls.AlertError{badCertificate, unknownAuthority, certificateRequired, expiredCertificate} {
		if strings.Contains(err.Error(), known.Error()) { // what the other end says is no AlertError
			return remedyOf(known)
		}
	}
	return ""
}

// Alerts by which a host refuses a client's certificate.
const (
	badCertificate      tls.AlertError = 42
	expiredCertificate  tls.AlertError = 45
	unknownAuthority    tls.AlertError = 48
	certificateRequired tls.AlertError = 116
)

func remedyOf(a tls.AlertError) string {
	switch a {
	case certificateRequired:
		return "it wants a client certificate: give one with -tls-cert and -tls-key"
	case badCertificate, unknownAuthority, expiredCertificate:
		return "it does not trust the client certificate of -tls-cert: use one of an authority in its client_ca_file that has not expired"
	}
	return ""
}

// namesOf are the names that a certificate is for.
func namesOf(cert *x509.Certificate) string {
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no name at all"
	}
	return strings.Join(names, ", ")
}

// plain reports whether an answer says that the address speaks TLS and was not asked so.
func plain(res *http.Response, body []byte) bool {
	return res.StatusCode == http.StatusBadRequest && strings.Contains(string(body), "HTTP request to an HTTPS server")
}
