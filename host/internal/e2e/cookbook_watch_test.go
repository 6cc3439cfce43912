package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
)

func sitesAreChecked(t *testing.T, k *kitchen) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(web.Close)
	names := []string{"shop", "gone"}
	for n := range 198 {
		names = append(names, fmt.Sprint("site-", n))
	}
	var sites strings.Builder
	for _, name := range names {
		fmt.Fprintf(&sites, "%s: %s/%s\n", name, web.URL, name)
	}
	k.open(nil, map[string]string{"sites.yaml": sites.String()})
	k.Until("every site is checked, by one process", func(ctx context.Context) error {
		tasks, err := k.AllTasks(ctx, admin.TaskQuery{})
		pids, checked := map[int]bool{}, 0
		for _, t := range tasks {
			if t.Last != nil {
				checked++
			}
			for _, p := range t.Processes {
				pids[p.PID] = true
			}
		}
		if err == nil && (checked != len(names) || len(pids) != 1) {
			err = fmt.Errorf("%d of %d are checked, by %d processes", checked, len(names), len(pids))
		}
		return err
	})
	for range 3 {
		if r := run(t, k.Host, "site.gone", admin.RunRequest{Overlap: "queue"}); r.Outcome != "failed" {
			t.Errorf("site.gone: %s", r.Outcome)
		}
	}
	k.does("taskhost status 'site.*'", "site.shop", "site.site-197")
	out, _ := k.says("taskhost status -degraded")
	if !strings.Contains(out, "site.gone") || strings.Contains(out, "site.site-") {
		t.Errorf("degraded:\n%s", out)
	}
	k.does("taskhost task state site.shop", "latency_ms")
	k.does("taskhost notifiers test ops")
	if told := k.file("told.jsonl"); !strings.Contains(told, `"test"`) {
		t.Errorf("told: %q", told)
	}
}

func failuresAreMailed(t *testing.T, k *kitchen) {
	box := openMailbox(t)
	k.open(map[string]string{"mail_server": box.Addr().String()}, nil)
	k.does("taskhost notifiers test mail")
	const work = "taskhost task run import -overlap queue -wait 30s"
	write(t, filepath.Join(k.Dir, "broken"), "")
	if out, code := k.says(work); code != 1 {
		t.Errorf("a failure: exit %d: %s", code, out)
	}
	box.until(k, "the file broken is there")
	if err := os.Remove(filepath.Join(k.Dir, "broken")); err != nil {
		t.Fatal(err)
	}
	k.does(work, "succeeded")
	box.until(k, "recovered")
	k.does("taskhost notifiers list", "mail")
}

// A mailbox is a mail server that takes every mail and keeps it.
type mailbox struct {
	net.Listener
	mu    sync.Mutex
	mails []string
}

func openMailbox(t *testing.T) *mailbox {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box := &mailbox{Listener: l}
	var talks sync.WaitGroup
	talks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			talks.Go(func() { box.talk(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); talks.Wait() })
	return box
}

// talk speaks as much SMTP as it takes to be given a mail.
func (b *mailbox) talk(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewScanner(conn)
	say := func(text string) { fmt.Fprintf(conn, "%s\r\n", text) }
	say("220 mail.example ESMTP")
	for in.Scan() {
		switch verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " "); verb {
		case "DATA":
			say("354 go on")
			var mail strings.Builder
			for in.Scan() && in.Text() != "." {
				mail.WriteString(in.Text() + "\n")
			}
			b.mu.Lock()
			b.mails = append(b.mails, mail.String())
			b.mu.Unlock()
			say("250 queued")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// until waits for a mail to the receiver with the text.
func (b *mailbox) until(k *kitchen, text string) {
	k.t.Helper()
	k.Until("a mail says "+text, func(context.Context) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, m := range b.mails {
			if strings.Contains(m, text) && strings.Contains(m, "ops@shop.example") && strings.Contains(m, "import") {
				return nil
			}
		}
		return fmt.Errorf("there are %d mails: %q", len(b.mails), b.mails)
	})
}

func windowHoldsBack(t *testing.T, k *kitchen) {
	k.open(nil, nil)
	paused := func(name string) *admin.Override {
		t.Helper()
		task, err := k.Task(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return task.Paused
	}
	const pause = `taskhost task pause -select label.uses=db -until 2h -reason "move of the database"`
	k.does(pause+" -dry-run", "sync", "invoices")
	if paused("sync") != nil {
		t.Error("a dry run has paused it")
	}
	k.does(pause)
	if paused("sync") == nil || paused("invoices") == nil || paused("heartbeat") != nil {
		t.Error("sync and invoices are to be paused, heartbeat is not")
	}
	k.does("taskhost task overrides", "move of the database")
	untilSlots(k.Host, "sync", "skipped(paused)")
	k.does("taskhost task slots sync", "skipped(paused)")
	k.does("taskhost task resume -select label.uses=db -catch-up")
	last := untilSlots(k.Host, "sync", "skipped(paused)").Last
	k.Until("the last skipped slot has run", func(ctx context.Context) error {
		for _, r := range untilRuns(k.Host, 1, ended("sync")) {
			if r.Slot.Equal(last.Time) {
				return nil
			}
		}
		return fmt.Errorf("%v is not among the runs", last)
	})
	k.does("taskhost task run window -wait 30s", "succeeded")
	if p := paused("invoices"); p == nil || p.Reason != "weekly maintenance" || time.Until(p.Until.Time) > 2*time.Hour {
		t.Errorf("after window: %+v", p)
	}
}

func releasesAreSwitched(t *testing.T, k *kitchen) {
	k.open(map[string]string{"ready_within": "3s"}, nil)
	serves := func(colour, other string) {
		t.Helper()
		untilTask(k.Host, "shop."+colour, "serves", func(t admin.Task) bool { return t.State == "running" && t.Ready })
		k.UntilState("shop."+other, "stopped")
	}
	serves("blue", "green")
	k.does(`taskhost task run switch -input '{"to":"green"}' -wait 2m`, "succeeded")
	serves("green", "blue")
	write(t, filepath.Join(k.Dir, "broken.blue"), "")
	const back = `taskhost task run switch -input '{"to":"blue"}' -wait 2m`
	if out, code := k.says(back); code != 1 {
		t.Errorf("to a release that is broken: exit %d: %s", code, out)
	}
	serves("green", "blue")
	if got := k.file("upstream"); got != "green\n" {
		t.Errorf("the upstream is %q", got)
	}
	if err := os.Remove(filepath.Join(k.Dir, "broken.blue")); err != nil {
		t.Fatal(err)
	}
	k.does(back, "succeeded")
	serves("blue", "green")
	k.does("taskhost status 'shop.*'", "shop.blue", "shop.green")
}
