package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/app"
)

// host is a taskhost with probes.
type host struct {
	*subject
	notes string // file of the probes
	api   *admin.Client
}

// group is a number of tasks that are alike: their names begin with its name.
type group struct {
	name  string
	count int
	body  string // what stands in the task block beside plugin and config
	opens bool   // its processes note that they are open; only for resident ones
	extra string // HCL beside the tasks
	aside bool   // its notes go to a file that nobody reads
}

// hcl writes the config of a host. All paths in it are absolute or stand beside it. The history is
// short, because the floor has none: what is measured are processes.
func hcl(notes, plugins, listen string, groups []group) string {
	var b strings.Builder
	fmt.Fprintf(&b, "host {\n  data_dir = \"data\"\n  plugin_dir = %q\n  keep {\n    succeeded = 10\n  }\n  admin {\n    listen = [\"unix:data/admin.sock\"%s]\n  }\n}\n", plugins, listen)
	for _, g := range groups {
		b.WriteString(g.extra)
		notes := notes
		if g.aside {
			notes += "-aside"
		}
		for i := range g.count {
			fmt.Fprintf(&b, "task \"%s-%04d\" {\n  plugin = \"probe\"\n  type = \"probe\"\n%s\n  config {\n    out = %q\n    announce = %t\n  }\n}\n", g.name, i, g.body, notes, g.opens)
		}
	}
	return b.String()
}

// startHost starts a host with the tasks of the groups, without waiting for them.
func (l *lab) startHost(groups ...group) (*host, error) { return l.startHostAt("", groups...) }

// startHostAt is startHost of one that also listens on a TCP address.
func (l *lab) startHostAt(addr string, groups ...group) (*host, error) {
	if addr != "" {
		addr = fmt.Sprintf(", %q", addr)
	}
	l.hosts++
	dir := l.path(fmt.Sprintf("host-%d", l.hosts))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	notes, config := filepath.Join(dir, "notes"), filepath.Join(dir, "config.hcl")
	if err := os.WriteFile(config, []byte(hcl(notes, filepath.Dir(l.probe()), addr, groups)), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(l.path("taskhost"), "serve", "-config", config)
	if l.profile != "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		cmd = exec.Command(self, "-serve", config, "-cpuprofile", l.profile)
	}
	cmd.Dir = dir
	s, err := l.start("the host", cmd)
	if err != nil {
		return nil, err
	}
	api, err := admin.New("unix:"+filepath.Join(dir, "data", "admin.sock"), admin.Options{})
	if err != nil {
		return nil, errors.Join(err, s.finish())
	}
	return &host{subject: s, notes: notes, api: api}, nil
}

// ready waits until the host says that it is.
func (h *host) ready(ctx context.Context) error {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		err := h.api.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-look.C:
		case <-h.ended:
			return errors.New("the host ended before it was ready")
		case <-ctx.Done():
			return fmt.Errorf("wait for the host: %w", err)
		}
	}
}

// serve is a host inside this program, so that its profile needs nothing of the product.
func serve(ctx context.Context, config, profile string) error {
	end, err := startProfile(profile)
	if err != nil {
		return err
	}
	defer end()
	return app.Serve(ctx, app.ServeOptions{Source: app.Source{Paths: []string{config}}, Version: "bench", Out: os.Stderr})
}
