//go:build !linux

package doctor

import "context"

// What only Linux can tell, or has, is said to be so.

func dataFileSystem(context.Context, Machine) Finding {
	return finding("file system", Info, "", "%s does not tell its kind; it should be a disk of this machine", system())
}

func processes(context.Context, Machine) Finding {
	return finding("processes", Info, "", "not looked at on %s", system())
}

func clock(context.Context, Machine) Finding {
	return finding("clock", Info, "", "%s does not tell whether a time server keeps it", system())
}

func kernel(context.Context, Machine) Finding {
	return finding("kernel", Info, "", "%s: a process that leaves its plugin's session can outlive a kill", system())
}

func cgroups(context.Context, Machine) Finding {
	return finding("cgroup", Info, "", "%s has none: limits are those of setrlimit", system())
}
