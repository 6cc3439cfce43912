package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/taskhost/taskhost/host/admin"
)

// devKey is what a key asks of the tasks.
type devKey struct{ verb, mode, word string }

var devKeys = map[byte]devKey{
	'r': {"run", "", "run now"},
	'd': {"stop", admin.Graceful, "drain"},
	's': {"start", "", "start"},
	'c': {"cancel", admin.Hard, "cancel"},
	'k': {"cancel", admin.Kill, "kill"},
}

const (
	keysLine = "keys: r run now · d drain · s start · c cancel · k kill · q quit · ? help"
	keysHelp = `  r  run now, with the input of -input
  d  drain: let what runs finish, and stop
  s  start again
  c  cancel what runs; a continuous task then follows its restart policy
  k  kill what runs
  q  quit, as Ctrl-C: drain; again: cancel; again: kill`
)

// key does what a key asks for.
func (d *devSession) key(ctx context.Context, key byte) {
	switch key {
	case 'q', 'Q':
		_ = syscall.Kill(os.Getpid(), syscall.SIGINT) // the same ladder as Ctrl-C, however the two are mixed
		return
	case '?', 'h':
		d.say("%s", keysHelp)
		return
	}
	what, known := devKeys[key]
	if !known {
		return
	}
	api := d.api.Load()
	if api == nil {
		d.say("%s: nothing runs yet", what.word)
		return
	}
	d.act(ctx, api, what)
}

// act does it to all tasks.
func (d *devSession) act(ctx context.Context, api *admin.Client, k devKey) {
	action := admin.Action{Verb: k.verb, Mode: k.mode, Select: admin.Select{"name": "*"}, Reason: "asked for in taskhost dev"}
	if k.verb == "run" {
		action.Input, action.Reason = d.input, ""
	}
	done, _, err := api.Act(ctx, action, 0)
	if err != nil {
		d.say("%s: %s", k.word, printableLines(err.Error()))
		return
	}
	for _, r := range done.Results {
		switch {
		case r.Problem != nil:
			d.say("%s %s: %s", k.word, r.Task, printableLines(r.Problem.Error()))
		case !r.Changed:
			d.say("%s %s: nothing to do, it is %s", k.word, r.Task, r.State)
		default:
			d.say("%s", d.dim(k.word+" "+r.Task))
		}
	}
}

// readKeys gives every key that a person presses to do, until the process ends. Without a terminal there are no keys. The terminal is as it
// was after restore.
func (a *app) readKeys(ctx context.Context, do func(ctx context.Context, key byte)) (restore func()) {
	if !a.TTY {
		return func() {}
	}
	restore = func() {}
	if f, ok := a.In.(*os.File); ok {
		restore = keyByKey(int(f.Fd()))
	}
	go func() {
		for key := make([]byte, 1); ; {
			n, err := a.In.Read(key)
			if n == 1 {
				do(ctx, key[0])
			}
			if err != nil {
				return
			}
		}
	}()
	return restore
}

// keyByKey lets a terminal hand over keys as they are pressed, and not show them. Ctrl-C and Ctrl-Z mean what they always do; a shell
// that brings the program back to the front finds the terminal in its own state, so that it is set again.
func keyByKey(fd int) (restore func()) {
	was, err := setKeys(fd)
	if err != nil {
		return func() {}
	}
	back, end := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(back, syscall.SIGCONT)
	go func() {
		for {
			select {
			case <-back:
				_, _ = setKeys(fd)
			case <-end:
				return
			}
		}
	}()
	return func() {
		signal.Stop(back)
		close(end)
		was()
	}
}
