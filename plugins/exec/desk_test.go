package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/taskhost/taskhost/sdk/notify"
	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/tasktest"
)

// speak sends notices and requests to a desk, and reports what went wrong.
func speak(ctx context.Context, d *desk, name string) error {
	path := func(i int) string { _, value, _ := strings.Cut(d.env[i], "="); return value }
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path(0), Net: "unixgram"})
	if err != nil {
		return err
	}
	defer c.Close()
	talk, err := notify.Dial(ctx, path(1))
	if err != nil {
		return err
	}
	defer talk.Close()
	for range 20 {
		if _, err := c.Write([]byte("WATCHDOG=1\nSTATUS=" + name)); err != nil {
			return err
		}
		if _, err := talk.Ask(notify.Request{Verb: notify.Commit, Ops: []notify.Op{{Key: name, Value: json.RawMessage(`1`)}}}); err != nil {
			return err
		}
	}
	return nil
}

func TestADeskHearsAllThatIsSaidBeforeItCloses(t *testing.T) {
	t.Parallel()
	kept := &held{}
	var l *listener
	var left []os.DirEntry
	typ := task.Periodic("x", func(ctx context.Context, h *task.Host, _ struct{}) error {
		at, err := newPlace("")
		if err != nil {
			return err
		}
		defer at.remove()
		l = &listener{ctx: ctx, host: h, kept: kept, ready: func(string) {}, trigger: make(chan struct{})}
		d, err := openDesk(at, l)
		if err != nil {
			return err
		}
		errs := make([]error, 4)
		var all sync.WaitGroup
		for n := range errs {
			all.Go(func() { errs[n] = speak(ctx, d, fmt.Sprint("speaker", n)) })
		}
		all.Wait()
		d.close()
		left, err = os.ReadDir(at.dir)
		return errors.Join(append(errs, err)...)
	})
	r := tasktest.Run(t, typ, "")
	if r.Outcome() != "succeeded" {
		t.Fatalf("%s %s", r.Outcome(), r.Message())
	}
	if n := len(kept.take()); n != 80 || !l.beating() || !strings.HasPrefix(l.status, "speaker") || len(left) != 0 {
		t.Errorf("%d values are held, it beats: %t, status %q, left: %v", n, l.beating(), l.status, left)
	}
}

func FuzzNoticesOfAnyBytes(f *testing.F) {
	f.Add("READY=1\nSTATUS=\xff\nMAINPID=99999999999\nEXTEND_TIMEOUT_USEC=18446744073709551615")
	f.Fuzz(func(t *testing.T, text string) {
		n := parseNotice(text)
		if n.status != nil && !utf8.ValidString(*n.status) || n.extend < 0 || n.extend > maxExtension || n.mainPID < 0 || n.errno < 0 {
			t.Errorf("%q is read as %+v", text, n)
		}
	})
}
