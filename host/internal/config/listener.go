package config

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/access"
	"github.com/taskhost/taskhost/sdk/schema"
)

// Admin says where the admin API listens, and to whom.
type Admin struct {
	Listen []string               // "unix:path" with the path resolved, or "host:port": without TLS on a loopback address
	TLS    *TLS                   `json:",omitempty"` // of the TCP addresses
	Users  map[string]access.Role `json:",omitempty"` // who may use the Unix sockets beside the host's own user and root
	Rate   Rate

	MaxConnections int `json:",omitempty"` // of each address at a time; 0: by the host's descriptors
}

// Ingress says where messages for queues are taken, and nothing else is served.
type Ingress struct {
	Listen []string // as Admin's; empty is nowhere
	TLS    *TLS     `json:",omitempty"`
	Rate   Rate

	MaxConnections int `json:",omitempty"` // as Admin's
}

// Rate is so many requests of one caller per time.
type Rate struct {
	Number int
	Per    time.Duration
	Given  bool // by the file; then it also counts on a Unix socket
}

// TLS says how a listener proves who it is, and whom it believes.
type TLS struct {
	CertFile, KeyFile string
	ClientCAFile      string                 `json:",omitempty"` // "": certificates of clients are not asked for
	ClientOptional    bool                   `json:",omitempty"` // who has no certificate may show a token
	ClientRoles       map[string]access.Role `json:",omitempty"` // by a name in the certificate
	MinVersion        string                 // 1.2, 1.3
}

// Audit says where it is written down who changed what.
type Audit struct {
	Path    string
	MaxSize int64 // of one file
	Keep    int   // older files beside it
}

var (
	rateAdmin   = Rate{Number: 2000, Per: time.Second}
	rateIngress = Rate{Number: 20_000, Per: time.Second}
)

// rateAttr is the attribute rate of a listener.
func rateAttr(def string) attribute {
	return attribute{"rate", kindRate, def, `Requests of one caller per time, such as "200/s". When it is given it also holds for callers on a Unix socket, who have no bound otherwise.`}
}

// connectionsAttr is the attribute max_connections of a listener.
var connectionsAttr = attribute{
	"max_connections", kindInt, "2048, or an eighth of the host's descriptors where these are fewer",
	"Connections that each address holds at a time, from 16 to 100000. When it is full the next one takes the place of one that rests, or waits.",
}

var tlsShape = &shape{
	name: "tls", doc: "TLS on the TCP addresses, which may then be of any network. The files are read again when they change; a pair that cannot be used leaves the old one in place.",
	attrs: []attribute{
		{"cert_file", kindText, "", "The certificate in PEM, with those between it and its authority."},
		{"key_file", kindText, "", "Its private key in PEM, which not everybody may read."},
		{"min_version", kindText, "1.2", "The oldest version of TLS: 1.2, 1.3."},
		{"client_ca_file", kindText, "none", "Certificates in PEM of the authorities whose certificates clients must show."},
		{"client_cert", kindText, "required", "With client_ca_file: required, or optional for clients that show a token in its place."},
		{"client_roles", kindTextMap, "{}", `What the holder of a certificate may do, by a URI, DNS name, mail address or common name in it: { "ci.example" = "operator" }.`},
	},
}

var auditShape = &shape{
	name: "audit", doc: "The audit log: a line of JSON for every request for a change, and for every refusal for want of a right.",
	attrs: []attribute{
		{"path", kindText, "<data_dir>/audit.jsonl", "The file. Older ones stand beside it, with .1 and so on behind the name."},
		{"max_size", kindSize, "16MiB", "Of one file."},
		{"keep", kindInt, "10", "Older files."},
	},
}

// access reads what says who may use the host.
func (h *Host) access(s section) {
	admin, _ := s.block("admin")
	h.Admin.TLS = admin.tls()
	h.Admin.Listen = admin.listen(h.DataDir, h.Admin.TLS)
	h.Admin.Rate = admin.callerRate(rateAdmin)
	h.Admin.MaxConnections = admin.maxConnections()
	h.Admin.Users = admin.socketUsers(h.Admin.Listen, h.DataDir)
	ingress, given := s.block("ingress")
	h.Ingress.Rate = ingress.callerRate(rateIngress)
	h.Ingress.MaxConnections = ingress.maxConnections()
	if given {
		h.Ingress.TLS = ingress.tls()
		h.Ingress.Listen = ingress.ingress(h.Admin.Listen, h.Ingress.TLS)
	}
	h.Audit = s.audit(*h)
}

func (s section) callerRate(def Rate) Rate {
	number, per := s.rate("rate")
	if number == 0 {
		return def
	}
	return Rate{Number: number, Per: per, Given: true}
}

func (s section) maxConnections() int { return s.integer("max_connections", 0, 16, 100_000) }

// tls reads the tls block of a listener; nil without one.
func (s section) tls() *TLS {
	t, given := s.block("tls")
	if !given {
		return nil
	}
	for _, name := range []string{"cert_file", "key_file"} {
		if !t.any(name) {
			t.find.errorf(t.rng, "add "+name+` = "…"`, "tls needs a %s", name)
		}
	}
	for _, name := range []string{"client_cert", "client_roles"} {
		if at, written := t.written(name); written && !t.any("client_ca_file") {
			t.find.errorf(at, "add client_ca_file", "%s has a meaning only with client_ca_file", name)
		}
	}
	return &TLS{
		CertFile: t.path("cert_file", ""), KeyFile: t.path("key_file", ""), ClientCAFile: t.path("client_ca_file", ""),
		ClientOptional: oneOf(t, "client_cert", "required", "required", "optional") == "optional",
		MinVersion:     oneOf(t, "min_version", "1.2", "1.2", "1.3"),
		ClientRoles:    t.roles("client_roles"),
	}
}

// roles reads what is allowed to whom.
func (s section) roles(name string) map[string]access.Role {
	texts, v, ok := s.textMap(name, false)
	if !ok || len(texts) == 0 {
		return nil
	}
	roles := map[string]access.Role{}
	for _, who := range sortedKeys(texts) {
		role, err := access.ParseRole(texts[who])
		if err != nil {
			hint := ""
			if near, ok := schema.Nearest(texts[who], access.RoleNames); ok {
				hint = `did you mean "` + near + `"?`
			}
			s.find.errorf(entry(v, who), hint, "%s: %s", name, err)
			continue
		}
		roles[who] = role
	}
	return roles
}

// socketUsers reads who else may use the Unix sockets, of which one must lie where they can reach it.
func (s section) socketUsers(listen []string, dataDir string) map[string]access.Role {
	users := s.roles("socket_users")
	at, _ := s.written("socket_users")
	if len(users) == 0 {
		return nil
	}
	reachable := func(addr string) bool {
		path, unix := strings.CutPrefix(addr, "unix:")
		return unix && !liesIn(dataDir, path)
	}
	if !slices.ContainsFunc(listen, reachable) {
		s.find.errorf(at, `add a socket elsewhere to listen: "unix:/run/taskhost/admin.sock"`, "socket_users: others can reach no socket but one outside of data_dir")
	}
	return users
}

// liesIn reports whether path lies below dir.
func liesIn(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// audit reads where the audit log lies. Where plugins are found it could be taken for one.
func (s section) audit(h Host) Audit {
	a, _ := s.block("audit")
	out := Audit{
		Path:    a.path("path", filepath.Join(h.DataDir, "audit.jsonl")),
		MaxSize: a.size("max_size", 16<<20, 64<<10, 1<<40),
		Keep:    a.integer("keep", 10, 0, 1000),
	}
	if at, written := a.written("path"); written && liesIn(h.PluginDir, out.Path) {
		a.find.errorf(at, "put it elsewhere", "path: the audit log must not lie in plugin_dir")
	}
	return out
}

// listen reads the addresses of the admin API.
func (s section) listen(dataDir string, secure *TLS) []string {
	items, given := s.texts("listen")
	if !given {
		s.servesTLS(nil, secure)
		return []string{"unix:" + filepath.Join(dataDir, "admin.sock")}
	}
	if len(items) == 0 {
		at, _ := s.written("listen")
		s.find.errorf(at, `leave it out for a socket in data_dir`, "listen: without an address nobody could reach the host")
	}
	out := s.addresses(items, loopbackOnly("the admin API is not served to others without TLS", secure), nil)
	s.servesTLS(out, secure)
	return out
}

// ingress reads the addresses where messages are taken, which are not the admin API's.
func (s section) ingress(admin []string, secure *TLS) []string {
	items, given := s.texts("listen")
	if !given && !s.any("listen") {
		s.find.errorf(s.rng, `add listen = ["127.0.0.1:7490"]`, "ingress names no address")
		return nil
	}
	out := s.addresses(items, loopbackOnly("messages are not taken from others without TLS", secure), admin)
	s.servesTLS(out, secure)
	return out
}

// loopbackOnly is why addresses must be of this machine; "" with TLS.
func loopbackOnly(why string, secure *TLS) string {
	if secure != nil {
		return ""
	}
	return why
}

// servesTLS refuses TLS where nothing would speak it.
func (s section) servesTLS(addresses []string, secure *TLS) {
	isTCP := func(addr string) bool { return !strings.HasPrefix(addr, "unix:") }
	if secure != nil && !slices.ContainsFunc(addresses, isTCP) {
		t, _ := s.block("tls")
		s.find.errorf(t.rng, `add an address such as "0.0.0.0:7480" to listen`, "tls is for TCP addresses, and listen has none")
	}
}
