package main

import (
	"fmt"
	"os"
	"time"
)

// split is the processor time that work has taken so far, by who did it.
type split struct {
	host    time.Duration // or what it is held against
	plugins time.Duration
	posters time.Duration // this program: it posts, and is what plugins reach over HTTP
}

// splitOf reads the processor time of a process, of those that it has started, and of this one.
func splitOf(pid int) (split, error) {
	host, err := usageOf(pid)
	if err != nil {
		return split{}, err
	}
	self, err := usageOf(os.Getpid())
	if err != nil {
		return split{}, err
	}
	s := split{host: host.cpu, posters: self.cpu}
	children, err := childrenOf(pid)
	if err != nil {
		return split{}, err
	}
	for _, child := range children {
		if u, err := usageOf(child); err == nil { // it may just have ended
			s.plugins += u.cpu
		}
	}
	return s, nil
}

// each says what one of count pieces of work has cost since before.
func (s split) each(before split, count int) string {
	per := func(now, then time.Duration) time.Duration {
		return ((now - then) / time.Duration(count)).Round(time.Microsecond)
	}
	text := fmt.Sprintf("processor time of each: %v itself", per(s.host, before.host))
	if s.plugins > 0 {
		text += fmt.Sprintf(", %v plugins", per(s.plugins, before.plugins))
	}
	return text + fmt.Sprintf(", %v bench", per(s.posters, before.posters))
}
