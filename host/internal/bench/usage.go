package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has used so far: memory now, processor time since its start.
type usage struct {
	resident int64 // bytes
	cpu      time.Duration
	reaped   time.Duration // of children that have ended
}

// clockTick is the unit of processor time in /proc.
const clockTick = 10 * time.Millisecond

// usageOf reads the usage of a process from /proc.
func usageOf(pid int) (usage, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	return parseUsage(string(text), int64(os.Getpagesize()))
}

// parseUsage reads a line of /proc/PID/stat. What stands before the last parenthesis is the name.
func parseUsage(stat string, page int64) (usage, error) {
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const user, system, childUser, childSystem, resident = 11, 12, 13, 14, 21
	if len(fields) <= resident {
		return usage{}, fmt.Errorf("read processor time: %d fields after the name", len(fields))
	}
	var n [5]int64
	for i, at := range []int{user, system, childUser, childSystem, resident} {
		v, err := strconv.ParseInt(fields[at], 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("read processor time: %w", err)
		}
		n[i] = v
	}
	return usage{resident: n[4] * page, cpu: time.Duration(n[0]+n[1]) * clockTick, reaped: time.Duration(n[2]+n[3]) * clockTick}, nil
}
