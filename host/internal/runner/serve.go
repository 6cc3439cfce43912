package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

const (
	settleTime = 200 * time.Millisecond // for the end of a process to be noticed
	byeTime    = 5 * time.Second        // for the end of a process that has closed its session; under load that takes a while
	lostTime   = 2 * time.Second        // for the last reports of a process that has ended

	aliveEvery = time.Second            // signs of life are passed on at most so often
	stateEvery = 100 * time.Millisecond // published values are
)

// serve passes commands to the process and reports from it until it is gone and what it
// had said is dealt with.
func (a *actor) serve(p task.Process) {
	done, lost := p.Done(), (<-chan struct{})(a.box.lost)
	var timer *time.Timer // armed while signs wait to be passed on
	var tick <-chan time.Time
	var last <-chan time.Time // bounds the wait for the end of the session
	for {
		a.commands(p)
		a.reports()
		if wait, later := a.flush(false); later {
			if timer == nil {
				timer = time.NewTimer(wait)
				defer timer.Stop()
			} else {
				timer.Reset(wait)
			}
			tick = timer.C
		}
		if done == nil && lost == nil && !a.busy && !a.more() {
			a.flush(true)
			return
		}
		select {
		case <-a.box.wake:
		case <-tick:
			tick = nil
		case <-done:
			done = nil
			if lost != nil {
				bound := time.NewTimer(lostTime)
				defer bound.Stop()
				last = bound.C
			}
		case <-lost:
			lost, last = nil, nil
			if done != nil && !a.endsAfter(done) {
				a.line("error", fmt.Sprintf("the session with the plugin is lost (%v); its process is killed", a.box.lossCause()), nil)
				p.Kill()
			}
		case <-last:
			lost, last = nil, nil
		}
	}
}

// endsAfter reports whether the process ends by itself now that its session has. What keeps it up then is past the author's
// code; one that has lost its session is cut off from its host and does not know it.
func (a *actor) endsAfter(done <-chan struct{}) bool {
	if errors.Is(a.box.lossCause(), task.ErrSessionEnded) {
		return within(done, byeTime)
	}
	return within(done, settleTime)
}

// more reports whether something waits in the queue of reports.
func (a *actor) more() bool {
	a.box.mu.Lock()
	defer a.box.mu.Unlock()
	return len(a.box.reports) > 0 || a.box.finished != nil
}

// commands carries out what the supervisor has asked for. A session that takes nothing,
// because the plugin is stuck, holds up this process alone.
func (a *actor) commands(p task.Process) {
	for {
		c, ok := a.box.nextCommand()
		if !ok {
			return
		}
		switch c := c.(type) {
		case task.RunStart:
			a.begin(p, c)
		case task.Answer:
			a.answer(c)
		case moving:
			a.line("info", "its process is to be left: "+c.reason, nil)
			a.report(task.ProcessMoving{ID: a.id, Reason: c.reason, At: time.Now()})
		}
	}
}

// begin hands the attempt to the plugin. The first one of a run waits for nothing.
func (a *actor) begin(p task.Process, start task.RunStart) {
	if start.Attempt > 1 && start.Values == nil {
		ctx, cancel := context.WithTimeout(a.r.life, storeTime)
		values, err := a.r.cfg.Values.RunValues(ctx, start.Run)
		cancel()
		if err != nil {
			a.refuse(start.Run, task.StatusFailed, fmt.Sprintf("load run-scoped values: %v", err))
			return
		}
		start.Values = values
	}
	if len(start.Values) > 0 {
		if at := a.current(); at != nil {
			at.saved = true
		}
	}
	if a.def.Consume != nil && a.r.cfg.Queues != nil {
		start.Consume, start.Timeout = a.def.Consume, a.def.Timeout
		a.handle(start.Run)
	}
	err := a.session.StartRun(start)
	if err == nil {
		return
	}
	// When the process is dying its end says more.
	select {
	case <-p.Done():
	case <-a.box.lost:
	case <-time.After(settleTime):
		a.refuse(start.Run, task.StatusPermanent, err.Error())
	}
}

// refuse ends a run that did not reach the plugin.
func (a *actor) refuse(run string, status task.RunStatus, message string) {
	a.endMessages("")
	at := a.current()
	a.release()
	a.report(task.RunReturned{
		ID:          a.id,
		Result:      task.RunResult{Run: run, Status: status, Message: message},
		SavedValues: at != nil && at.saved,
		At:          time.Now(),
	})
}

// answer replies to a request of the plugin.
func (a *actor) answer(answer task.Answer) {
	if err := a.session.Reply(answer); err != nil {
		a.log.Debug("answer does not reach the plugin", "err", err)
	}
}

// reports deals with what the plugin has sent, in order. While the store works on one
// request the next ones wait.
func (a *actor) reports() {
	for {
		if f := a.box.takeFinished(); f != nil {
			a.busy = false
			if at := a.current(); at != nil && f.saved == at.run && f.saved != "" {
				at.saved = true
			}
			a.answer(f.answer)
		}
		if a.busy {
			return
		}
		r, ok := a.box.nextReport()
		if !ok {
			return
		}
		switch r := r.(type) {
		case entered:
			a.runEntered(r)
		case ended:
			a.runEnded(r)
		case commit:
			a.commit(r)
		case load:
			a.load(r)
		case extend:
			a.extend(r)
		}
	}
}

func (a *actor) runEntered(e entered) {
	at := a.current()
	if at == nil || at.run != e.run || closed(at.entered) {
		a.log.Warn("plugin enters a run that it was not given", "run", e.run)
		return
	}
	close(at.entered)
	a.report(task.RunEntered{ID: a.id, Run: e.run, At: at.notBefore(e.at)})
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (a *actor) runEnded(e ended) {
	at := a.current()
	if at == nil || at.run != e.result.Run {
		a.log.Warn("plugin ends a run that it is not at", "run", e.result.Run)
		return
	}
	a.flush(true)
	a.endMessages("")
	a.release()
	a.report(task.RunReturned{ID: a.id, Result: e.result, SavedValues: at.saved, At: at.notBefore(e.result.At)})
}

// commit lets the store apply a commit, or says why not.
func (a *actor) commit(c commit) {
	if reason := a.refusal(c); reason != "" {
		a.answer(task.Answer{ID: c.id, Err: reason})
		return
	}
	a.store(func(ctx context.Context) finished {
		f := finished{answer: task.Answer{ID: c.id}}
		if err := a.apply(ctx, c); err != nil {
			f.answer.Err = err.Error()
			return f
		}
		for _, op := range c.ops {
			if op.Kind == task.OpSaveRun && op.Key != wire.SavesKey {
				f.saved = c.run
			}
		}
		return f
	})
}

// apply hands a commit to the store, by way of the queues when it emits. A queue that is full may hold it up for
// longer than the store would, but not longer than the process lives.
func (a *actor) apply(ctx context.Context, c commit) error {
	if !slices.ContainsFunc(c.ops, func(op task.Op) bool { return op.Kind == task.OpEmit }) {
		return a.r.cfg.Values.Commit(ctx, a.def.Name, c.run, c.ops)
	}
	life, cancel := context.WithCancel(a.r.life)
	defer cancel()
	a.mu.Lock()
	p := a.process
	a.mu.Unlock()
	go func() {
		select {
		case <-p.Done():
			cancel()
		case <-life.Done():
		}
	}()
	return a.r.cfg.Queues.Commit(life, task.EmitCommit{Task: a.def.Name, Run: c.run, Outputs: a.def.Outputs, Ops: c.ops, TraceParent: a.trace(c.run)})
}

// trace is the trace context of the live attempt, when it is of this run.
func (a *actor) trace(run string) string {
	if at := a.current(); at != nil && at.run == run {
		return at.trace
	}
	return ""
}

// refusal says why a commit cannot be applied; "" when it can.
func (a *actor) refusal(c commit) string {
	if at := a.current(); c.run != "" && (at == nil || at.run != c.run) {
		return fmt.Sprintf("run %s has ended; nothing of the commit is kept", c.run)
	}
	for _, op := range c.ops {
		switch {
		case op.Kind == task.OpEmit && (a.r.cfg.Queues == nil || a.def.Outputs[op.Output] == ""):
			return fmt.Sprintf("output %q is not wired to a queue; nothing of the commit is kept", op.Output)
		case op.Kind == task.OpSaveRun && c.run == "":
			return fmt.Sprintf("%q belongs to a run and no run is going; nothing of the commit is kept", op.Key)
		}
	}
	return ""
}

func (a *actor) load(l load) {
	a.store(func(ctx context.Context) finished {
		f := finished{answer: task.Answer{ID: l.id}}
		value, found, err := a.r.cfg.Values.Load(ctx, a.def.Name, l.key)
		if err != nil {
			f.answer.Err = err.Error()
			return f
		}
		f.answer.Value, f.answer.OK = value, found
		return f
	})
}

// store lets the store work without holding up commands; its answer comes back through
// the inbox.
func (a *actor) store(work func(context.Context) finished) {
	a.busy = true
	a.r.all.Go(func() {
		ctx, cancel := context.WithTimeout(a.r.life, storeTime)
		defer cancel()
		a.box.finish(work(ctx))
	})
}

func (a *actor) extend(e extend) {
	if at := a.current(); at == nil || at.run != e.run {
		a.answer(task.Answer{ID: e.id})
		return
	}
	a.report(task.Extension{ID: a.id, Run: e.run, Request: e.id, By: e.by, At: e.at})
}

// aliveEvery is how often signs of life are passed on: often enough for the task's watchdog.
func (a *actor) aliveEvery() time.Duration {
	if limit := a.def.Continuous.Watchdog.Timeout; limit > 0 {
		return min(aliveEvery, limit/4)
	}
	return aliveEvery
}

// flush passes on the signs of life that are due; with all, those that are not due yet
// too. It returns how long the others have to wait, when there are any.
func (a *actor) flush(all bool) (wait time.Duration, later bool) {
	if text := a.box.takeRefused(); text != "" {
		a.line("warn", text, nil)
	}
	alive, ready, values := a.box.pending()
	if !alive && !ready && !values {
		return 0, false
	}
	now := time.Now()
	every := a.aliveEvery()
	aliveDue := all || now.Sub(a.lastAlive) >= every
	stateDue := all || now.Sub(a.lastState) >= stateEvery
	s := a.box.take(aliveDue, stateDue)
	if len(s.values) > 0 {
		a.lastState = now
		for key, value := range s.values {
			a.r.cfg.Values.Publish(a.def.Name, key, value, s.at)
		}
	}
	if s.ready {
		a.report(task.BecameReady{ID: a.id, Note: s.readyNote, At: s.readyAt})
	}
	if s.alive {
		a.lastAlive = now
		run := s.run
		if at := a.current(); at != nil {
			run = at.run
		}
		a.report(task.Alive{ID: a.id, Run: run, Progress: s.progress, Note: s.note, At: s.at})
	}
	switch {
	case values && !stateDue:
		return stateEvery - now.Sub(a.lastState), true
	case alive && !aliveDue:
		return every - now.Sub(a.lastAlive), true
	}
	return 0, false
}
