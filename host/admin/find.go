package admin

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// DefaultSocket is where a host that was installed as a service listens.
const DefaultSocket = "/run/taskhost/admin.sock"

// Where says how to reach a host. Empty fields are looked up by Find.
type Where struct {
	Addr      string // unix:PATH, unix:///PATH, http://HOST:PORT, https://HOST:PORT or HOST:PORT
	Token     string
	TokenFile string
	CAFile    string // of the authorities that may certify an https address; "" is the system's
	CertFile  string // of the client, with its key
	KeyFile   string
	Dir       string                       // where config.hcl is looked for; "" is the working directory
	Env       func(string) string          // os.Getenv when nil
	Exists    func(path string) bool       // os.Stat when nil
	ReadFile  func(string) ([]byte, error) // os.ReadFile when nil
}

// Find fills in w. The address is the first of: Addr, TASKHOST_ADDR, admin.sock in the data_dir of
// ./config.hcl (or in ./data when the file names none), DefaultSocket. The token is the first of:
// Token, TokenFile, TASKHOST_TOKEN, TASKHOST_TOKEN_FILE, admin.token in the same data_dir. A Unix
// socket needs no token, and neither does a client with a certificate. The files of TLS are CAFile or
// TASKHOST_TLS_CA, CertFile or TASKHOST_TLS_CERT, KeyFile or TASKHOST_TLS_KEY. It looks at files only and
// contacts nobody.
func Find(w Where) (Where, error) {
	w = w.withDefaults()
	for _, of := range []struct {
		file *string
		env  string
	}{{&w.CAFile, "TASKHOST_TLS_CA"}, {&w.CertFile, "TASKHOST_TLS_CERT"}, {&w.KeyFile, "TASKHOST_TLS_KEY"}} {
		if *of.file == "" {
			*of.file = w.Env(of.env)
		}
	}
	data := w.dataDir()
	if w.Addr == "" {
		w.Addr = w.Env("TASKHOST_ADDR")
	}
	if w.Addr == "" {
		w.Addr = "unix:" + DefaultSocket
		if local := filepath.Join(data, "admin.sock"); w.Exists(local) {
			w.Addr = "unix:" + local
		}
	}
	if _, isSocket := socketPath(w.Addr); w.Token != "" || isSocket && w.TokenFile == "" {
		return w, nil
	}
	required := true
	if w.TokenFile == "" {
		if w.Token = strings.TrimSpace(w.Env("TASKHOST_TOKEN")); w.Token != "" {
			return w, nil
		}
		w.TokenFile = w.Env("TASKHOST_TOKEN_FILE")
	}
	if w.TokenFile == "" && w.CertFile != "" {
		return w, nil
	}
	if w.TokenFile == "" {
		w.TokenFile, required = filepath.Join(data, "admin.token"), false
	}
	text, err := w.ReadFile(w.TokenFile)
	if err != nil && (required || !errors.Is(err, fs.ErrNotExist)) {
		return w, fmt.Errorf("read the token: %w; name another file with -token-file or TASKHOST_TOKEN_FILE", err)
	}
	w.Token = strings.TrimSpace(string(text))
	return w, nil
}

func (w Where) withDefaults() Where {
	if w.Env == nil {
		w.Env = os.Getenv
	}
	if w.Exists == nil {
		w.Exists = func(path string) bool { _, err := os.Stat(path); return err == nil }
	}
	if w.ReadFile == nil {
		w.ReadFile = os.ReadFile
	}
	return w
}

// dataDir is the data_dir that ./config.hcl names, relative to it, or data beside it.
func (w Where) dataDir() string {
	text, err := w.ReadFile(filepath.Join(w.Dir, "config.hcl"))
	if err == nil {
		if dir := dataDirOf(string(text)); filepath.IsAbs(dir) {
			return dir
		} else if dir != "" {
			return filepath.Join(w.Dir, dir)
		}
	}
	return filepath.Join(w.Dir, "data")
}

// dataDirOf reads the data_dir attribute of the host block where it is a plain string. It is a
// convenience for people in the directory of their config, not a parser: what it cannot read
// it passes over.
func dataDirOf(config string) string {
	lines := bufio.NewScanner(strings.NewReader(config))
	depth, inHost := 0, false
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "//") {
			continue
		}
		if depth == 0 {
			inHost = strings.HasPrefix(line, "host") && strings.HasSuffix(line, "{")
		}
		if name, value, ok := strings.Cut(line, "="); ok && depth == 1 && inHost && strings.TrimSpace(name) == "data_dir" {
			quoted, err := strconv.QuotedPrefix(strings.TrimSpace(value))
			if err != nil {
				return ""
			}
			dir, err := strconv.Unquote(quoted)
			if err != nil || strings.Contains(dir, "${") {
				return ""
			}
			return dir
		}
		depth += strings.Count(line, "{") - strings.Count(line, "}")
	}
	return ""
}

// socketPath is the path of a unix: address.
func socketPath(addr string) (string, bool) {
	path, ok := strings.CutPrefix(addr, "unix:")
	if !ok {
		return "", false
	}
	if strings.HasPrefix(path, "///") {
		path = path[2:]
	}
	return path, true
}
