// Package cgroup finds the groups of version 2 that processes are in (cgroups(7)). There are none but on Linux.
package cgroup
