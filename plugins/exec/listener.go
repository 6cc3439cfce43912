package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/taskhost/taskhost/sdk/notify"
	"github.com/taskhost/taskhost/sdk/task"
)

// listener carries out what one command says of itself. It is safe for concurrent use.
type listener struct {
	ctx   context.Context
	host  *task.Host
	kept  *held              // what waits for the end of the command; nil: nothing does
	ready func(note string)  // it says that it is ready
	owns  func(pid int) bool // a process is one of the command's

	trigger chan struct{} // closed when its own watchdog has found it ill

	mu       sync.Mutex
	beats    bool // it gives signs of life by itself
	isReady  bool
	status   string
	done     int64
	total    int64
	until    time.Time // to when its time was extended
	main     int       // the process that it says is the main one; 0 is the one that was started
	errno    syscall.Errno
	rejected bool // a notice was refused, which is said once
	ill      bool
}

// heard carries out one notice.
func (l *listener) heard(n notice) {
	if n.mainPID > 0 {
		l.setMain(n.mainPID)
	}
	l.mu.Lock()
	l.beats = l.beats || n.beat
	if n.errno > 0 {
		l.errno = syscall.Errno(n.errno)
	}
	l.mu.Unlock()
	if n.status != nil {
		l.setStatus(*n.status)
	}
	if n.extend > 0 {
		l.extendTo(n.extend)
	}
	switch {
	case n.trigger:
		l.triggered()
	case n.reloading:
		l.phase("reloading")
	case n.ready:
		l.phase("ready")
		l.sayReady("")
	case n.stopping:
		l.phase("stopping")
	case n.beat:
		l.host.Beat("")
	}
}

// refused says that a notice could not be read; once, for there may be many.
func (l *listener) refused(why string) {
	l.mu.Lock()
	first := !l.rejected
	l.rejected = true
	l.mu.Unlock()
	if first {
		l.host.Log().Warn("what the command sent to its notify socket is not heard", "why", why)
	}
}

func (l *listener) setMain(pid int) {
	if !l.owns(pid) {
		l.refused(fmt.Sprintf("MAINPID=%d is none of its processes", pid))
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.main = pid
}

// setStatus shows the text as state and with the run.
func (l *listener) setStatus(text string) {
	l.mu.Lock()
	l.status = text
	done, total := l.done, l.total
	l.mu.Unlock()
	l.host.Progress(done, total, text)
	l.publish("status", text)
}

func (l *listener) setProgress(done, total int64, note string) {
	l.mu.Lock()
	if note == "" {
		note = l.status
	}
	l.done, l.total, l.status = done, total, note
	l.mu.Unlock()
	l.host.Progress(done, total, note)
}

func (l *listener) phase(name string) {
	l.host.Log().Info("the command says that it is " + name)
	l.publish("phase", name)
}

func (l *listener) publish(key string, value any) {
	if err := l.host.Publish(key, value); err != nil {
		l.refused(err.Error())
	}
}

func (l *listener) sayReady(note string) {
	l.mu.Lock()
	l.isReady = true
	if note == "" {
		note = l.status
	}
	l.mu.Unlock()
	l.ready(note)
}

// extendTo asks for as much time as is missing until d from now. Said again and again it adds up to no more than that.
func (l *listener) extendTo(d time.Duration) bool {
	want := time.Now().Add(d)
	l.mu.Lock()
	have := l.until
	begins := !l.isReady
	l.mu.Unlock()
	// While it begins, what bounds it is the time in which it must be ready, which is not known here.
	if end, ok := l.host.Deadline(); ok && !begins {
		have = end
	}
	by := d
	if !have.IsZero() {
		by = min(d, want.Sub(have))
	}
	if by <= 0 {
		return true
	}
	if !l.host.Extend(by) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = want
	return true
}

func (l *listener) triggered() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ill {
		l.ill = true
		close(l.trigger)
	}
}

// beating reports whether the command gives its signs of life itself: its output is none then.
func (l *listener) beating() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.beats
}

// mainPID is the process that the command named, 0 for none.
func (l *listener) mainPID() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.main
}

// complaint is what the command said of its own failure, for the error; "" for nothing.
func (l *listener) complaint() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := ""
	if l.ill {
		text = "; its own watchdog found it ill"
	}
	if l.errno != 0 {
		text += "; it says: " + l.errno.Error()
	}
	return text
}

// answer carries out one request and returns its reply as JSON.
func (l *listener) answer(line []byte) []byte {
	var q notify.Request
	var r notify.Reply
	err := json.Unmarshal(line, &q)
	if err != nil {
		err = fmt.Errorf("decode the request: %w", err)
	} else {
		r, err = l.reply(q)
	}
	if err != nil {
		r = notify.Reply{Error: err.Error()}
	}
	text, err := json.Marshal(r)
	if err != nil {
		text, _ = json.Marshal(notify.Reply{Error: "encode the answer: " + err.Error()})
	}
	return text
}

func (l *listener) reply(q notify.Request) (r notify.Reply, err error) {
	switch q.Verb {
	case notify.Ready:
		l.phase("ready")
		l.sayReady(q.Note)
	case notify.Beat:
		l.mu.Lock()
		l.beats = true
		l.mu.Unlock()
		l.host.Beat("")
	case notify.Status:
		l.setStatus(q.Note)
	case notify.Progress:
		l.setProgress(q.Done, q.Total, q.Note)
	case notify.State:
		err = l.host.Publish(q.Key, q.Value)
	case notify.Extend:
		err = l.extend(q.Seconds)
	case notify.Commit:
		err = l.commit(q.Ops, q.Now)
	case notify.Load:
		return l.load(q.Key, q.Run)
	default:
		err = fmt.Errorf("the verb %q is not known here", q.Verb)
	}
	return r, err
}

func (l *listener) extend(seconds float64) error {
	if !(seconds > 0 && seconds <= maxExtension.Seconds()) {
		return fmt.Errorf("more time is more than 0s and at most %s", maxExtension)
	}
	if !l.host.Extend(time.Duration(seconds * float64(time.Second))) {
		return errors.New("more time is not granted: the run is being cancelled, the host ends, or a bound is reached (max_timeout, of a drain without it 1h)")
	}
	return nil
}

// commit keeps values and messages: at once, or what can wait until the command has ended well.
func (l *listener) commit(ops []notify.Op, now bool) error {
	if l.kept != nil && !now {
		var wait []notify.Op
		var run []notify.Op // values for the next attempt are there for when this one fails
		for _, op := range ops {
			if op.Run && op.Output == "" {
				run = append(run, op)
			} else {
				wait = append(wait, op)
			}
		}
		if err := l.kept.add(wait); err != nil {
			return err
		}
		ops = run
	}
	for _, op := range ops {
		if err := checkOp(op); err != nil {
			return err
		}
	}
	if len(ops) == 0 {
		return nil
	}
	return l.host.Commit(l.ctx, commits(ops)...)
}

// load reads a value: of the task as this command has left it, or of the run.
func (l *listener) load(key string, run bool) (r notify.Reply, err error) {
	if l.kept != nil && !run {
		if op, ok := l.kept.last(key); ok {
			return notify.Reply{Value: op.Value, Found: !op.Delete}, nil
		}
	}
	read := task.Load[json.RawMessage]
	if run {
		read = task.LoadRun[json.RawMessage]
	}
	value, found, err := read(l.ctx, l.host, key)
	return notify.Reply{Value: bytes.Clone(value), Found: found}, err
}
