package admin_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/admin"
)

// disk is files and variables that Find may look at.
type disk map[string]string

func (d disk) where(w admin.Where) admin.Where {
	w.Dir = "/srv"
	w.Env = func(name string) string { return d["$"+name] }
	w.Exists = func(path string) bool { _, ok := d[path]; return ok }
	w.ReadFile = func(path string) ([]byte, error) {
		if text, ok := d[path]; ok {
			return []byte(text), nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return w
}

func TestFindTakesTheFirstThatNamesAHost(t *testing.T) {
	t.Parallel()
	const config = `# data_dir = "wrong"
variable "x" {
  data_dir = "wrong"
}
host {
  admin { listen = ["unix:x"] }
  data_dir = "state" # here
}
`
	cases := []struct {
		name        string
		disk        disk
		given       admin.Where
		addr, token string
		fails       string
	}{
		{"the flag first", disk{"$TASKHOST_ADDR": "127.0.0.1:1"}, admin.Where{Addr: "unix:flag.sock"}, "unix:flag.sock", "", ""},
		{"then the environment", disk{"$TASKHOST_ADDR": "unix:env.sock", "/srv/data/admin.sock": ""}, admin.Where{}, "unix:env.sock", "", ""},
		{"then data_dir of the config", disk{"/srv/config.hcl": config, "/srv/state/admin.sock": "", "/srv/data/admin.sock": ""}, admin.Where{}, "unix:/srv/state/admin.sock", "", ""},
		{"an absolute data_dir", disk{"/srv/config.hcl": "host {\n  data_dir = \"/var/th\"\n}", "/var/th/admin.sock": ""}, admin.Where{}, "unix:/var/th/admin.sock", "", ""},
		{"a data_dir that is no plain text", disk{"/srv/config.hcl": "host {\n  data_dir = \"${x}\"\n}", "/srv/data/admin.sock": ""}, admin.Where{}, "unix:/srv/data/admin.sock", "", ""},
		{"then ./data", disk{"/srv/data/admin.sock": ""}, admin.Where{}, "unix:/srv/data/admin.sock", "", ""},
		{"then the installed one", disk{}, admin.Where{}, "unix:" + admin.DefaultSocket, "", ""},
		{"the token beside the socket", disk{"$TASKHOST_ADDR": "127.0.0.1:1", "/srv/data/admin.token": "th_x\n"}, admin.Where{}, "127.0.0.1:1", "th_x", ""},
		{"the token of the environment", disk{"$TASKHOST_ADDR": "127.0.0.1:1", "$TASKHOST_TOKEN": " th_y ", "/srv/data/admin.token": "th_x"}, admin.Where{}, "127.0.0.1:1", "th_y", ""},
		{"a token file of the environment", disk{"$TASKHOST_ADDR": "127.0.0.1:1", "$TASKHOST_TOKEN_FILE": "/t", "/t": "th_z"}, admin.Where{}, "127.0.0.1:1", "th_z", ""},
		{"a token file by flag", disk{"$TASKHOST_TOKEN": "th_y", "/t": "th_z"}, admin.Where{Addr: "127.0.0.1:1", TokenFile: "/t"}, "127.0.0.1:1", "th_z", ""},
		{"a token file that is not there", disk{}, admin.Where{Addr: "127.0.0.1:1", TokenFile: "/t"}, "", "", "-token-file"},
		{"no token at all", disk{}, admin.Where{Addr: "127.0.0.1:1"}, "127.0.0.1:1", "", ""},
	}
	for _, c := range cases {
		got, err := admin.Find(c.disk.where(c.given))
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v, want an error that says %q", c.name, err, c.fails)
			}
			continue
		}
		if err != nil || got.Addr != c.addr || got.Token != c.token {
			t.Errorf("%s: %q %q, %v; want %q %q", c.name, got.Addr, got.Token, err, c.addr, c.token)
		}
	}
}

func FuzzFindReadsAnyConfig(f *testing.F) {
	for _, seed := range []string{"host {", "host {\n data_dir = \"\\", "}}}\nhost {\ndata_dir=\"\"", "\x00{{{"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, config string) {
		if _, err := admin.Find(disk{"/srv/config.hcl": config}.where(admin.Where{})); err != nil {
			t.Error(err)
		}
	})
}
