package queue

import (
	"fmt"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	noticeEvery = int64(time.Second)
	maxNotices  = 20 // dead letters of one queue within noticeEvery that have an event each
)

// notice holds back events of one kind, so that a flood of messages is no flood of events.
type notice struct {
	since int64
	told  int
	more  int // not told yet
}

// pass reports whether one more may be told by itself; up to most are within a second.
func (n *notice) pass(now int64, most int) bool {
	if n.more == 0 && n.over(now) {
		n.since, n.told = now, 0
	}
	if n.more == 0 && n.told < most {
		n.told++
		return true
	}
	n.more++
	return false
}

// flush returns how many are to be told together now.
func (n *notice) flush(now int64) int {
	if n.more == 0 || !n.over(now) {
		return 0
	}
	more := n.more
	*n = notice{since: now}
	return more
}

func (n *notice) over(now int64) bool { return now-n.since >= noticeEvery || now < n.since }

// wake is when there is something to tell; 0 is never.
func (n *notice) wake() int64 {
	if n.more == 0 {
		return 0
	}
	return n.since + noticeEvery
}

// The kinds of events of queues.
const (
	KindDead     = "dead_letter"
	KindDropped  = "dropped"
	kindRedriven = "redriven"
	kindPurged   = "purged"
	kindFull     = "full"
)

// event is told once the lock is free.
func (b *Broker) event(kind, format string, args ...any) {
	if b.cfg.Event != nil {
		b.events = append(b.events, task.Event{At: b.cfg.Now(), Topic: "queue", Kind: kind, Text: fmt.Sprintf(format, args...)})
	}
}

// tellDead says that a message is a dead letter now.
func (b *Broker) tellDead(l *line, id string, reason task.DeadReason, now int64) {
	if l.deaths.pass(now, maxNotices) {
		b.event(KindDead, "%s/%s %s", l.spec.Name, id, reason)
	}
}

// tellMore says what was held back, and that a queue became full: once until it has room again.
func (b *Broker) tellMore(l *line, now int64) {
	switch {
	case l.full == fullNews:
		l.full = fullTold
		b.event(kindFull, "%s: %d messages, %d bytes", l.spec.Name, l.size.n, l.size.bytes)
	case l.full == fullTold && l.eased():
		l.full = fullNot
	}
	if n := l.drops.flush(now); n > 0 {
		b.event(KindDropped, "%s: %d", l.spec.Name, n)
	}
	if n := l.deaths.flush(now); n > 0 {
		b.event(KindDead, "%s: %d more", l.spec.Name, n)
	}
}
