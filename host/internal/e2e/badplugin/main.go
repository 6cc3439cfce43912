// Command badplugin is a plugin that behaves badly in every way that the whole-program
// tests know. What it does is said by BAD in its environment (what goes wrong before it
// serves) and by its config (what goes wrong in a run).
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/taskhost/taskhost/sdk/task"
)

// Config says what a run does.
type Config struct {
	Do  string `task:"do,optional" default:"nothing" doc:"what goes wrong"`
	Dir string `task:"dir,optional" doc:"where runs leave their traces"`
}

// early is what goes wrong before the plugin serves; describe is always well.
func early() string {
	if len(os.Args) > 1 && os.Args[1] != "grandchild" {
		return ""
	}
	return os.Getenv("BAD")
}

func init() {
	if early() == "panic_in_init" {
		panic("bad from the very start")
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "grandchild" {
		grandchild()
		return
	}
	switch early() {
	case "exit_3":
		fmt.Fprintln(os.Stderr, "cannot find my other shoe")
		os.Exit(3)
	case "panic_at_start":
		panic("bad from the start")
	case "print_first":
		fmt.Println("hello, I am about to serve")
	case "never_serve":
		fmt.Println("1|1|unix|nowhere.sock|grpc|")
		time.Sleep(time.Hour)
	case "wrong_cookie":
		os.Unsetenv("TASKHOST_PLUGIN")
	case "hang":
		time.Sleep(time.Hour)
	}
	task.Serve(task.Plugin{Name: "badplugin", Version: "6.6.6", Types: []task.Type{
		task.Job("run", run, task.Doc("does what config says")),
		task.Continuous("live", live, task.Doc("goes on, as config says")),
		task.Periodic("tick", tick, task.Doc("a well-behaved neighbour")),
	}})
}

// Input of a run; it may be large.
type Input struct {
	Text string `json:"text,omitempty"`
}

func run(ctx context.Context, h *task.Host, c Config, in Input) (int, error) {
	return len(in.Text), bad(ctx, h, c)
}

func tick(ctx context.Context, h *task.Host, c Config) error { return nil }

func live(ctx context.Context, h *task.Host, c Config) error {
	if c.Do == "exclusive" {
		return exclusive(ctx, h, c.Dir)
	}
	return bad(ctx, h, c)
}

func bad(ctx context.Context, h *task.Host, c Config) error {
	switch c.Do {
	case "nothing":
		return nil
	case "error":
		return errors.New("it did not work")
	case "panic":
		var none []int
		return fmt.Errorf("never: %d", none[3])
	case "panic_in_goroutine":
		go func() { panic("bad, and nobody there to catch it") }()
		time.Sleep(time.Hour)
	case "exit":
		os.Exit(4)
	case "ignore_drain":
		<-ctx.Done()
		return context.Cause(ctx)
	case "ignore_cancel":
		time.Sleep(time.Hour)
	case "stop_itself":
		time.AfterFunc(300*time.Millisecond, func() { syscall.Kill(os.Getpid(), syscall.SIGSTOP) })
		time.Sleep(time.Hour)
	case "busy":
		for {
		}
	case "flood":
		return flood(ctx, h)
	case "odd_output":
		return oddOutput()
	case "children":
		return children(h)
	case "family":
		if err := children(h); err != nil {
			return err
		}
		<-h.Stopping()
		return nil
	case "child":
		if err := exec.Command("sleep", "1000").Start(); err != nil {
			return err
		}
		<-h.Stopping()
		return nil
	case "large_frame":
		return h.Publish("large", strings.Repeat("x", 2<<20))
	case "large_commit":
		return h.Commit(ctx, task.Save("large", strings.Repeat("x", 2<<20)))
	case "wait":
		<-h.Stopping()
		return nil
	}
	return task.Permanent(fmt.Errorf("cannot do %q", c.Do))
}

// flood writes about 40 MB to each of stdout and stderr.
func flood(ctx context.Context, h *task.Host) error {
	line := append(bytes.Repeat([]byte("flood "), 170), '\n')
	for i := 0; i < 40_000 && ctx.Err() == nil; i++ {
		os.Stdout.Write(line)
		os.Stderr.Write(line)
	}
	return h.Publish("flooded", true)
}

// oddOutput writes what log readers have died of.
func oddOutput() error {
	chunk := bytes.Repeat([]byte("a"), 1<<20)
	for range 100 {
		os.Stderr.Write(chunk) // one line of 100 MB
	}
	for _, text := range []string{"\n", "\x00\x00\n", "\xff\xfe\xfd\n", `{"@message":1}` + "\n", `{"@level":[]}` + "\n", "null\n", strings.Repeat("[", 10_000) + "\n"} {
		os.Stderr.WriteString(text)
		os.Stdout.WriteString(text)
	}
	return nil
}

// children leaves a child, and a grandchild in a session of its own that has lost its parent, has an
// empty environment and holds stderr.
func children(h *task.Host) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command("sleep", "1000")
	if err := child.Start(); err != nil {
		return err
	}
	second := exec.Command(self, "grandchild")
	second.Env, second.Stderr = []string{}, os.Stderr
	second.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	third, err := second.Output()
	if err != nil {
		return err
	}
	var pid int
	if _, err := fmt.Sscan(string(third), &pid); err != nil {
		return err
	}
	return h.Publish("pids", []int{child.Process.Pid, pid})
}

// grandchild is the second process of the double fork: it starts the third one, tells its pid and goes.
func grandchild() {
	if len(os.Args) > 2 && os.Args[2] == "sleep" {
		time.Sleep(1000 * time.Second)
		return
	}
	self, _ := os.Executable()
	third := exec.Command(self, "grandchild", "sleep")
	third.Env = []string{}
	third.Stderr = os.Stderr
	third.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := third.Start(); err != nil {
		os.Exit(1)
	}
	fmt.Println(third.Process.Pid)
}

// exclusive holds a lock while it runs and tells when somebody else holds it.
func exclusive(ctx context.Context, h *task.Host, dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	word := "start"
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		word = "double"
	}
	journal, err := os.OpenFile(filepath.Join(dir, "journal"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer journal.Close()
	if _, err := fmt.Fprintln(journal, word, os.Getpid()); err != nil {
		return err
	}
	h.Ready(word)
	<-h.Stopping()
	return nil
}
