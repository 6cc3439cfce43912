//go:build !race

package ui_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/taskhost/taskhost/host/admintest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	admintest.Clean()
	os.Exit(code)
}

const tasks = `
task "clock" {
  description = "lives until it is told to stop"
  plugin      = "hostile"
  type        = "live"
  continuous {}
}
task "greet" {
  description = "runs when somebody asks"
  plugin      = "hostile"
  type        = "work"
  labels      = { team = "shop" }
  on_demand {}
}
task "nightly" {
  description = "<b onmouseover=x>bold</b>"
  plugin      = "hostile"
  type        = "work"
  periodic {
    cron      = "15 2 * * *"
    time_zone = "Europe/Berlin"
  }
}
`

// A place is a host with a way to its page that can be cut: the address stays, whatever becomes of the host.
type place struct {
	*admintest.Host
	token string
	url   string // of the page

	mu     sync.Mutex
	target string
	conns  map[net.Conn]bool
}

// startPlace starts a host with these tasks, on the hostile plugin and these.
func startPlace(t *testing.T, hcl string, plugins ...string) *place {
	t.Helper()
	return startPlaceIn(t, t.TempDir(), hcl, plugins...)
}

// startPlaceIn is startPlace in a directory that the test has made.
func startPlaceIn(t *testing.T, dir, hcl string, plugins ...string) *place {
	t.Helper()
	config := filepath.Join(t.TempDir(), "config.hcl")
	head := "host {\n  data_dir = \"data\"\n  plugin_dir = \"plugins\"\n  require_checksums = false\n  admin {\n    listen = [\"unix:data/admin.sock\", \"127.0.0.1:0\"]\n  }\n}\n"
	if err := os.WriteFile(config, []byte(head+hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	h := admintest.Start(t, admintest.Options{Dir: dir, Config: config, Plugins: append(plugins, "host/internal/ui/hostile")})
	p := &place{Host: h, conns: map[net.Conn]bool{}}
	p.find(t)
	data, err := os.ReadFile(filepath.Join(h.DataDir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	p.token = strings.TrimSpace(string(data))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.url = "http://" + l.Addr().String() + "/ui/"
	var forwarding sync.WaitGroup
	forwarding.Go(func() { p.forward(l, &forwarding) })
	t.Cleanup(func() {
		l.Close()
		p.cut()
		forwarding.Wait()
	})
	return p
}

// find looks where the host listens now.
func (p *place) find(t *testing.T) {
	t.Helper()
	p.Until("the host says where it listens", func(ctx context.Context) error {
		info, err := p.Host.Host(ctx)
		if err != nil {
			return err
		}
		for _, addr := range info.Listen {
			if !strings.HasPrefix(addr, "unix:") {
				p.mu.Lock()
				p.target = addr
				p.mu.Unlock()
				return nil
			}
		}
		return fmt.Errorf("it listens on %v", info.Listen)
	})
}

func (p *place) forward(l net.Listener, forwarding *sync.WaitGroup) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		target := p.target
		p.mu.Unlock()
		out, err := net.Dial("tcp", target)
		if err != nil {
			in.Close()
			continue
		}
		p.mu.Lock()
		p.conns[in], p.conns[out] = true, true
		p.mu.Unlock()
		forwarding.Go(func() { p.pipe(in, out) })
		forwarding.Go(func() { p.pipe(out, in) })
	}
}

func (p *place) pipe(to, from net.Conn) {
	io.Copy(to, from)
	to.Close()
	from.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, to)
	delete(p.conns, from)
}

// cut breaks every connection that is open.
func (p *place) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}
