package torture

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
	"github.com/taskhost/taskhost/host/internal/torture/check"
	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// moments are those at which a kill is most interesting. A run of resume comes to its own a dozen times, and the first
// is not the most interesting.
var moments = []moment{
	{journal.Enter, "", 1}, {journal.Enter, "plain", 1}, {journal.Leave, "", 1},
	{journal.Begin, "produce", 1}, {journal.Commit, "produce", 1}, {journal.Begin, "resume", 12}, {journal.Commit, "resume", 12},
	{journal.Handle, "", 1}, {journal.Handle, "sink", 1}, {journal.Settle, "", 1}, {journal.Settle, "sink", 1},
}

// round lets work go on for a moment and kills somebody.
func (l *lab) round() {
	switch p := l.dice.IntN(100); {
	case p < 25:
		l.killPluginSometime()
	case p < 55:
		l.killPluginAt(l.moment())
	case p < 70:
		l.work(400 * time.Millisecond)
		l.killHost(func() { syscall.Kill(l.h.PID, syscall.SIGKILL) })
	case p < 92:
		l.killHost(func() { l.killHostAt(l.moment()) })
	default:
		l.work(300 * time.Millisecond)
		l.stop()
		l.again()
	}
}

func (l *lab) moment() moment { return moments[l.dice.IntN(len(moments))] }

// work lets up to d pass.
func (l *lab) work(d time.Duration) { <-time.After(time.Duration(l.dice.Int64N(int64(d)))) }

// killPluginSometime kills a plugin of which the host knows.
func (l *lab) killPluginSometime() {
	l.work(150 * time.Millisecond)
	var pids []int
	l.h.Until("some plugin lives", func(ctx context.Context) error {
		all, err := l.h.AllTasks(ctx, admin.TaskQuery{})
		if err != nil {
			return err
		}
		for _, t := range all {
			for _, p := range t.Processes {
				if p.PID > 0 {
					pids = append(pids, p.PID)
				}
			}
		}
		if len(pids) == 0 {
			return fmt.Errorf("none of %d tasks has a process", len(all))
		}
		return nil
	})
	if l.kill(pids[l.dice.IntN(len(pids))]) {
		l.count.pluginKills++
	}
}

// kill kills a plugin, unless it has ended and its pid is somebody else's.
func (l *lab) kill(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return false
	}
	if inside, err := filepath.Rel(l.h.Dir, exe); err != nil || inside[0] == '.' {
		return false
	}
	return syscall.Kill(pid, syscall.SIGKILL) == nil
}

// killPluginAt kills the next plugin that comes to the moment, right then.
func (l *lab) killPluginAt(m moment) {
	l.work(50 * time.Millisecond)
	if l.at(m, func(pid int) { syscall.Kill(pid, syscall.SIGKILL) }) {
		l.count.pluginKills++
	}
}

// killHostAt kills the host when a plugin comes to the moment.
func (l *lab) killHostAt(m moment) {
	l.work(100 * time.Millisecond)
	host := l.h.PID
	if !l.at(m, func(int) { syscall.Kill(host, syscall.SIGKILL) }) {
		syscall.Kill(host, syscall.SIGKILL)
	}
}

// at lets act be called at the moment, and reports whether that came soon.
func (l *lab) at(m moment, act func(pid int)) bool {
	done := make(chan struct{})
	off := l.marks.on(m, l.dice.IntN(m.among), func(pid int) {
		act(pid)
		close(done)
	})
	select {
	case <-done:
	case <-time.After(2 * time.Second):
		off()
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// killHost lets kill end the host, and starts it again.
func (l *lab) killHost(kill func()) {
	from := journal.Now()
	kill()
	l.h.Wait()
	l.ends = append(l.ends, check.End{From: from, To: journal.Now(), Killed: true})
	l.count.hostKills++
	for l.dice.IntN(4) == 0 {
		l.killBoot()
	}
	l.again()
}

// again starts the host: at once, after 100 ms, or when slots were missed.
func (l *lab) again() {
	switch l.dice.IntN(10) {
	case 0:
		<-time.After(time.Duration(l.dice.Int64N(int64(1500 * time.Millisecond))))
	case 1, 2, 3:
		<-time.After(100 * time.Millisecond)
	}
	l.h.Launch()
}

// killBoot starts a host and kills it before it is ready, or just after.
func (l *lab) killBoot() {
	l.t.Helper()
	cmd := exec.Command(admintest.Build(l.t, "host/cmd/taskhost"), "serve", "-config", filepath.Join(l.h.Dir, "config.hcl"))
	cmd.Dir = l.h.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.work(250 * time.Millisecond)
	from := journal.Now()
	cmd.Process.Kill()
	cmd.Wait()
	l.ends = append(l.ends, check.End{From: from, To: journal.Now(), Killed: true})
	l.count.bootKills++
}

// stop lets the host end by itself.
func (l *lab) stop() {
	l.t.Helper()
	from := journal.Now()
	if code := l.h.Stop(); code != 0 {
		l.t.Errorf("the host was asked to stop and ended with code %d:\n%s", code, l.h.Output())
	}
	l.ends = append(l.ends, check.End{From: from, To: journal.Now()})
	l.count.stops++
}
