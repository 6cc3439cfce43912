package cgroup

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// roots are where systemd mounts the hierarchy of version 2: alone, or beside those of version 1.
var roots = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// Self is the process that asks.
const Self = "self"

// Root is where the hierarchy is mounted; "" is nowhere.
func Root() string {
	for _, dir := range roots {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir
		}
	}
	return ""
}

// Of is the directory of the group that a process is in, by its number or Self; "" when there is none, or the process has ended.
func Of(process string) string {
	root := Root()
	text, err := os.ReadFile("/proc/" + process + "/cgroup")
	if root == "" || err != nil {
		return ""
	}
	path, ok := pathIn(string(text))
	if !ok {
		return ""
	}
	return filepath.Join(root, path)
}

// Delegated is the group of this process when systemd has marked it as given to whom it starts there, otherwise "".
func Delegated() string {
	dir := Of(Self)
	if dir == "" {
		return ""
	}
	var mark [8]byte
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		if n, err := unix.Getxattr(dir, name, mark[:]); err == nil && string(mark[:n]) == "1" {
			return dir
		}
	}
	return ""
}

// pathIn is the path of the group of version 2 among those of a process.
func pathIn(groups string) (string, bool) {
	for line := range strings.Lines(groups) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return path, true
		}
	}
	return "", false
}
