package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheGroupOfVersion2IsFoundAmongOthers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0::/\n": "/",
		"9:name=systemd:/init.scope\n8:pids:/x\n0::/system.slice/taskhost.service\n": "/system.slice/taskhost.service",
		"8:pids:/\n1:cpu:/0::/no\n": "",
		"":                          "",
	} {
		if got, ok := pathIn(text); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, ok, want)
		}
	}
}

func TestThisProcessIsInItsGroup(t *testing.T) {
	t.Parallel()
	if Root() == "" {
		t.Skip("no cgroup of version 2 is mounted where systemd mounts it")
	}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	path, ok := pathIn(string(text))
	if !ok {
		t.Skip("this process is in none")
	}
	if got := Of(Self); got != filepath.Join(Root(), path) || !strings.HasPrefix(got, Root()) {
		t.Errorf("it is in %q, and the kernel says %q", got, path)
	}
	if got := Of("4194305"); got != "" { // above the largest pid
		t.Errorf("a process that there is not is in %q", got)
	}
}
