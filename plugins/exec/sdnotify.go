package main

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// maxNotice bounds what one datagram may say, in bytes, as service managers do.
const maxNotice = 4096

// notice is one datagram, as sd_notify(3) has it: what is not known there is passed over.
type notice struct {
	ready, reloading, stopping bool
	beat                       bool
	trigger                    bool
	status                     *string // nil is unchanged
	extend                     time.Duration
	mainPID                    int
	errno                      int
}

// parseNotice reads lines NAME=value. Of several lines of one name the last counts.
func parseNotice(data string) (n notice) {
	for line := range strings.SplitSeq(data, "\n") {
		name, value, _ := strings.Cut(line, "=")
		switch name {
		case "READY":
			n.ready = value == "1"
		case "RELOADING":
			n.reloading = value == "1"
		case "STOPPING":
			n.stopping = value == "1"
		case "WATCHDOG":
			n.beat, n.trigger = value == "1", value == "trigger"
		case "STATUS":
			text := strings.ToValidUTF8(value, string(utf8.RuneError))
			n.status = &text
		case "EXTEND_TIMEOUT_USEC":
			n.extend = microseconds(value)
		case "MAINPID":
			n.mainPID = positive(value)
		case "ERRNO":
			n.errno = positive(value)
		}
	}
	return n
}

// positive is a number above 0, or 0 for what is none.
func positive(text string) int {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

// maxExtension bounds what one notice may ask for.
const maxExtension = 30 * 24 * time.Hour

func microseconds(text string) time.Duration {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0
	}
	return time.Duration(min(n, uint64(maxExtension/time.Microsecond))) * time.Microsecond
}
