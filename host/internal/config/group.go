package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
)

// readGroups reads the group blocks, by name.
func (l *loader) readGroups(nodes []*node) map[string]task.Group {
	groups, taken := map[string]task.Group{}, map[string]*node{}
	for _, n := range nodes {
		s := l.section(n)
		g := task.Group{Name: n.label, Max: s.integer("max", 0, 1, 100_000)}
		g.Rate, g.Per = s.rate("rate")
		g.Burst = s.integer("burst", 0, 1, 1_000_000)
		if at, written := s.written("burst"); written && !s.any("rate") {
			s.find.errorf(at, "give a rate too", "burst has a meaning only with rate")
		}
		if !s.any("max") && !s.any("rate") {
			s.find.errorf(n.rng, "give max, rate or both", "group %q bounds nothing", n.label)
		}
		if l.named(n, "group", taken) {
			groups[n.label] = g
		}
	}
	return groups
}

// rate reads a number per time; 0 is no bound.
func (s section) rate(name string) (int, time.Duration) {
	text, v, ok := s.text(name)
	if !ok {
		return 0, 0
	}
	rate, per, err := parseRate(text)
	if err != nil {
		s.find.errorf(v.at(), "", "%s: %s", name, err)
	}
	return rate, per
}

var errRate = errors.New(`write a number per time, such as "300/m", "50/s" or "10/30s"`)

// parseRate reads "300/m": that many per second, minute, hour, day or duration.
func parseRate(text string) (int, time.Duration, error) {
	number, per, found := strings.Cut(text, "/")
	rate, err := strconv.Atoi(strings.TrimSpace(number))
	per = strings.TrimSpace(per)
	if !found || err != nil || per == "" {
		return 0, 0, fmt.Errorf("%q is not a rate: %w", clip(text), errRate)
	}
	if per[0] < '0' || per[0] > '9' {
		per = "1" + per
	}
	d, err := schema.ParseDuration(per)
	if err != nil || d < time.Millisecond || d > longest || rate < 1 || rate > 1_000_000 {
		return 0, 0, fmt.Errorf("%q is not a rate: %w", clip(text), errRate)
	}
	return rate, d, nil
}
