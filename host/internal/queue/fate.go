package queue

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/taskhost/taskhost/host/internal/backoff"
	"github.com/taskhost/taskhost/host/internal/task"
)

const (
	maxErrorText = 1 << 10              // bytes of an error that are kept with a message
	maxDelay     = 365 * 24 * time.Hour // that an author may ask for
	hostDied     = "the host ended while its handler was at work"
	runEnded     = "its run ended before its handler returned"
)

// fate is what becomes of a message that was tried and is not done: it waits, or it is given up.
type fate struct {
	dead task.DeadReason // "": it is handed out again
	wait time.Duration
	text string
}

// after decides about a message whose handler ended like h; its attempt is counted already. rnd lies in [0, 1).
func (l *line) after(e *entry, h task.HandledMessage, rnd float64) fate {
	f := fate{text: errorText(h)}
	switch {
	case h.Status == task.StatusPermanent:
		f.dead = task.DeadPermanent
	case l.spent(e):
		f.dead = task.DeadFailed
	case h.Status == task.StatusRetryAfter && h.RetryAfter > 0:
		f.wait = min(h.RetryAfter, maxDelay)
	default:
		f.wait = l.pause(e.attempts, rnd)
	}
	return f
}

// afterCrash decides about a message under whose handler the process ended; that is counted already.
func (l *line) afterCrash(e *entry, crash string, rnd float64) fate {
	f := fate{text: clip(fmt.Sprintf("crashed %s: %s", times(int(e.crashes())), crash))}
	if l.spent(e) {
		f.dead = task.DeadCrashed
	} else {
		f.wait = l.pause(e.crashes(), rnd)
	}
	return f
}

// pause is how long a message waits after its n-th failure.
func (l *line) pause(n int32, rnd float64) time.Duration {
	policy := task.Retry{Attempts: math.MaxInt, Backoff: l.spec.Redeliver.Backoff, MaxBackoff: l.spec.Redeliver.MaxBackoff}
	wait, _ := backoff.Retry(policy, int(n), task.ErrorPlain, 0, rnd)
	return wait
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

func errorText(h task.HandledMessage) string {
	switch {
	case h.Message != "":
		return clip(h.Message)
	case h.Status == "":
		return string(task.StatusFailed)
	}
	return clip(string(h.Status))
}

// clip shortens a text to what is kept of it, and makes it one that can be kept.
func clip(text string) string {
	if len(text) > maxErrorText {
		n := maxErrorText
		for n > 0 && !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n]
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// again lets a message wait for its next delivery.
func (l *line) again(e *entry, f fate, now int64) {
	p := e.history()
	p.lastError, p.notBefore = f.text, 0
	if f.wait > 0 {
		p.notBefore = now + int64(f.wait)
	}
	l.wait(e, now)
}

// enter counts the attempt of a message that a handler has now.
func (l *line) enter(c *consumer, tag uint64, now int64) {
	h, ok := c.held[tag]
	if !ok || h.entered != 0 {
		return
	}
	h.entered = now
	c.held[tag] = h
	if l.waited != nil && h.entry.attempts == 0 {
		l.waited(time.Duration(now - h.entry.posted))
	}
	h.entry.attempts++
	if l.sweepAt == 0 {
		l.sweepAt = now + int64(saveAfter)
	}
}

const (
	// saveAfter is how long a handler is at work before its attempt becomes durable.
	saveAfter = 250 * time.Millisecond
	// sweepEvery bounds how often that is looked at.
	sweepEvery = 50 * time.Millisecond
)

// sweep returns the messages whose attempts are to become durable.
func (l *line) sweep(now int64) (out []*entry) {
	if l.sweepAt == 0 || l.sweepAt > now {
		return nil
	}
	l.sweepAt = 0
	for _, c := range l.consumers {
		for _, h := range c.held {
			due := h.entered + int64(saveAfter)
			switch {
			case h.entered == 0 || h.entry.attempts <= h.entry.saved():
			case due <= now:
				out = append(out, h.entry)
			default:
				l.sweepAt = sooner(l.sweepAt, max(due, now+int64(sweepEvery)))
			}
		}
	}
	return out
}
