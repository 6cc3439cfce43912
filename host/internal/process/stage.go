package process

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	plugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
)

// stage is what go-plugin sees of a process until the handshake is done.
type stage struct {
	p   *Process
	env []string // what the handshake needs
}

var _ runner.Runner = (*stage)(nil)

func (s *stage) Start(context.Context) error { return s.p.start(s.env) }

func (s *stage) Stdout() io.ReadCloser { return s.p.greeting.r }

// Stderr has ended already: go-plugin's parser of it can be made to panic by a plugin.
func (s *stage) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

func (s *stage) Diagnose(context.Context) string { return "" }

func (s *stage) Name() string { return s.p.spec.Plugin }

func (s *stage) ID() string { return s.p.mark }

// Wait returns at once: go-plugin calls it when stdout and stderr have ended, which they
// do for it after the handshake.
func (s *stage) Wait(context.Context) error { return nil }

// Kill does nothing: the launch ends a process that has failed to start, after it has
// looked how that process ended by itself.
func (s *stage) Kill(context.Context) error { return nil }

// PluginToHost accepts only a socket in the process's own directory.
func (s *stage) PluginToHost(network, address string) (string, string, error) {
	name := filepath.Base(address)
	if network != "unix" || (filepath.Dir(address) != "." && filepath.Dir(address) != s.p.dir) || name == "." || name == ".." {
		return "", "", fmt.Errorf("it serves at %s %q, and not on a socket in the directory that %s names", network, address, plugin.EnvUnixSocketDir)
	}
	s.p.address = name
	return network, name, nil
}

func (s *stage) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}
