//go:build !linux

package process

import (
	"errors"
	"os/exec"

	"github.com/hashicorp/go-hclog"

	"github.com/taskhost/taskhost/host/internal/task"
)

var errNoLimits = errors.New("this system cannot limit another process")

func limitFiles(int, int) error  { return errNoLimits }
func limitData(int, int64) error { return errNoLimits }
func forswearPrivileges() error  { return nil }

// cgroups and cgroup are Linux's.
type (
	cgroups struct{}
	cgroup  struct{}
)

func openCgroups(string, hclog.Logger) *cgroups            { return nil }
func (*cgroups) make(string, task.Limits) (*cgroup, error) { return nil, nil }
func (*cgroups) sweep()                                    {}
func (*cgroup) enter(*exec.Cmd)                            {}
func (*cgroup) entered()                                   {}
func (*cgroup) holds(string) (by, why string)              { return "", errNoLimits.Error() }
func (*cgroup) kill()                                      {}
func (*cgroup) empty() bool                                { return true }
func (*cgroup) oom() bool                                  { return false }
func (*cgroup) remove() error                              { return nil }
