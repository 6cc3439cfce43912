package process

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

const (
	drainPipes   = 200 * time.Millisecond // for what stands in the pipes when the tree is dead
	drainSession = 500 * time.Millisecond // for the frames that stand in the socket
)

// Process is one plugin process, from its start until Done. It is the seat of the task that it was
// launched for; in a process that several share, the others join.
type Process struct {
	*seat
	launcher *Launcher
	spec     task.LaunchSpec
	slot     *slot
	mark     string // names the process; its value in MarkEnv
	dir      string // working directory, with the socket
	address  string // of the socket in dir
	began    time.Time
	startBy  time.Time // end of the launch's time

	out      *output
	greeting *greeting
	child    *child
	tree     tree
	group    *cgroup // nil where the host may make none
	limits   []task.AppliedLimit
	stdin    *os.File // the lifeline: its end tells the plugin that the host is gone
	stdout   *os.File
	stderr   *os.File
	readers  sync.WaitGroup

	exited chan struct{} // closed when the leader has ended, before the sweep
	done   chan struct{}
	exit   task.ExitCause // valid after done

	mu      sync.Mutex
	killed  bool
	gone    bool // the leader has ended
	hung    bool // the connection is closed, or never will be made
	killers sync.WaitGroup
	conn    *grpc.ClientConn
	rpc     taskv1.TaskClient
	seats   map[*seat]bool // its own and those that have joined
}

var _ task.Shareable = (*Process)(nil)

func newProcess(l *Launcher, spec task.LaunchSpec, slot *slot) *Process {
	out := newOutput(spec.Log)
	began := time.Now()
	p := &Process{
		launcher: l, spec: spec, slot: slot, mark: task.NewID(began), began: began,
		out: out, greeting: newGreeting(out),
		exited: make(chan struct{}), done: make(chan struct{}),
	}
	p.seat = &seat{p: p, channel: out.main, instance: spec.Task}
	p.seats = map[*seat]bool{p.seat: true}
	return p
}

// start starts the program; go-plugin calls it with the variables of the handshake.
func (p *Process) start(handshake []string) error {
	l := p.launcher
	if err := l.enter(p); err != nil {
		return err
	}
	defer l.starting.Done()
	cmd := exec.Command(p.spec.Path)
	cmd.Dir = p.dir
	needed := make([]string, 0, len(handshake)+len(l.cfg.Env)+4)
	for _, kv := range handshake {
		if !hasName(kv, plugin.EnvUnixSocketDir) {
			needed = append(needed, kv)
		}
	}
	needed = append(needed, l.cfg.Env...)
	if p.spec.Debug {
		needed = append(needed, wire.DebuggerEnv+"=1")
	}
	cmd.Env = environ(l.cfg.HostEnv, p.spec.Env, append(needed,
		plugin.EnvUnixSocketDir+"=.", // relative to its working directory, whatever the length of its path
		wire.LifelineEnv+"="+strconv.Itoa(int(math.Ceil(p.spec.Drain.Seconds()))),
		MarkEnv+"="+p.mark,
	))
	if err := p.runAs(cmd); err != nil {
		return err
	}
	group, err := l.groups.make(p.mark, p.spec.Limits)
	if err != nil {
		l.cfg.Log.Warn("a process gets no cgroup of its own", "task", p.spec.Task, "err", err)
	}
	p.group = group
	p.group.enter(cmd)
	defer p.group.entered()
	return p.spawn(cmd)
}

// spawn makes the pipes, starts cmd and the goroutines that look after it.
func (p *Process) spawn(cmd *exec.Cmd) (err error) {
	var ends []*os.File // the child's, and ours too when it fails
	defer func() {
		if err != nil {
			ends = append(ends, p.stdin, p.stdout, p.stderr)
		}
		for _, f := range ends {
			_ = f.Close() // nil is harmless
		}
	}()
	pipe := func() (r, w *os.File) {
		if err == nil {
			r, w, err = os.Pipe()
		}
		return r, w
	}
	stdin, ourIn := pipe()
	ourOut, stdout := pipe()
	ourErr, stderr := pipe()
	ends = []*os.File{stdin, stdout, stderr}
	p.stdin, p.stdout, p.stderr = ourIn, ourOut, ourErr
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	cmd.ExtraFiles = []*os.File{p.slot.lock}
	p.tree.marks = marks{
		files: []fileID{fileIDOf(p.slot.lock), fileIDOf(stdout), fileIDOf(stderr), fileIDOf(stdin)},
		word:  MarkEnv + "=" + p.mark,
	}
	c, err := startPatiently(cmd)
	if err != nil {
		return err
	}
	p.child = c
	p.limits = enforce(c.pid, p.spec.Limits, p.group)
	if names := unenforced(p.limits); len(names) > 0 {
		p.launcher.cfg.Log.Warn("limits that nothing enforces; the status of the task says why", "task", p.spec.Task, "limits", strings.Join(names, ", "))
	}
	p.tree.leader, p.tree.start = c.pid, c.start
	if err := p.slot.started(c, p.tree.marks.word); err != nil {
		p.launcher.cfg.Log.Warn("cannot record a process", "task", p.spec.Task, "pid", c.pid, "err", err)
	}
	p.readers.Go(p.readStdout)
	p.readers.Go(p.readStderr)
	go p.await()
	return nil
}

// startPatiently starts cmd. A binary that has just been written can be busy for a
// moment: a child that is being forked elsewhere still has it open for writing.
func startPatiently(cmd *exec.Cmd) (*child, error) {
	for try := 0; ; try++ {
		next := *cmd // an exec.Cmd can be started once
		c, err := start(&next)
		if !errors.Is(err, syscall.ETXTBSY) || try == 5 {
			return c, err
		}
		time.Sleep(time.Millisecond << try)
	}
}

func (p *Process) readStdout() {
	var lines splitter
	_ = readChunks(p.stdout, func(chunk []byte) {
		lines.feed(chunk, p.greeting.line)
		if p.greeting.count(len(chunk)) {
			lines.flush(p.greeting.line)
			p.greeting.end()
		}
		p.pace()
	})
	lines.flush(p.greeting.line)
	p.greeting.end()
}

func (p *Process) readStderr() {
	var lines splitter
	_ = readChunks(p.stderr, func(chunk []byte) {
		lines.feed(chunk, p.out.stderr)
		p.pace()
	})
	lines.flush(p.out.stderr)
}

func (p *Process) pace() {
	if p.out.flooded() {
		time.Sleep(overPace)
	}
}

// await owns the end of the process: it waits for the leader, ends the rest of the tree,
// collects what is left to read, and lets go of everything.
func (p *Process) await() {
	p.child.awaitExit()
	p.mu.Lock()
	p.gone = true
	killed := p.killed
	p.mu.Unlock()
	close(p.exited)
	p.killers.Wait() // from here on the tree is ours

	// The leader is not reaped yet, so its pid still names its session and group.
	p.child.killGroup()
	p.group.kill()
	survivors := p.tree.end(treeBound, p.slot.held)
	state, _ := p.child.reap()

	until := time.Now().Add(drainPipes)
	_ = p.stdout.SetReadDeadline(until)
	_ = p.stderr.SetReadDeadline(until)
	p.readers.Wait()
	p.out.finish()
	p.hangUp()
	for _, f := range []*os.File{p.stdin, p.stdout, p.stderr} {
		_ = f.Close()
	}
	_ = os.RemoveAll(p.dir)
	if held := p.slot.release(); held && len(survivors) == 0 {
		survivors = holders(p.tree.marks)
	}
	p.exit = exitCause(state, p.out, killed, survivors)
	p.exit.OOM = p.outOfMemory(killed)
	if err := p.group.remove(); err != nil {
		p.launcher.cfg.Log.Warn("cannot remove the cgroup of a process", "task", p.spec.Task, "err", err)
	}
	p.launcher.leave(p)
	if len(survivors) > 0 {
		p.launcher.cfg.Log.Warn("processes outlived the end of their tree", "task", p.spec.Task, "pids", fmt.Sprint(survivors))
	}
	close(p.done)
}

// outOfMemory tells whether want of memory has ended the process: the kernel's word on its own group, the program's own
// words when its memory was limited, or else the word on the host's group, which may have meant another process.
func (p *Process) outOfMemory(killed bool) bool {
	switch {
	case p.group.oom():
		return true
	case heldByData(p.limits) && saysNoMemory(p.exit.Panic):
		return true
	}
	return p.exit.Signal == syscall.SIGKILL.String() && !killed && p.launcher.ooms.happened()
}

// saysNoMemory knows the words in which Go's runtime gives up, by what it wanted the memory for (runtime/mheap.go and malloc.go).
func saysNoMemory(crash string) bool {
	return strings.Contains(crash, "out of memory") || strings.Contains(crash, "cannot allocate memory")
}

// abandon lets go of what a process that could not be started has taken.
func (p *Process) abandon() {
	p.launcher.leave(p)
	_ = os.RemoveAll(p.dir)
	_ = p.group.remove()
	p.slot.release()
}

// hangUp ends the connection, after what the plugin has sent has been read.
func (p *Process) hangUp() {
	conn, sessions := p.lastSessions()
	if len(sessions) > 0 {
		late := time.After(drainSession)
	wait:
		for _, s := range sessions {
			select {
			case <-s.ended:
			case <-late:
				break wait
			}
		}
	}
	if conn != nil {
		_ = conn.Close()
	}
	for _, s := range sessions {
		<-s.ended // what has been received is reported, then the end
	}
}

// Kill ends the whole process tree with SIGKILL. It returns at once; Done tells when
// nothing is left. It may be called again and at any time.
func (s *seat) Kill() {
	p := s.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed || p.gone {
		return
	}
	p.killed = true
	p.killers.Go(func() {
		p.group.kill() // all of it at once, where there is one
		p.tree.note()  // while it lives, every descendant can be told by its ancestry
		p.child.killGroup()
	})
}

func (p *Process) wasKilled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killed
}

// Done is closed when the process is reaped, its tree swept and everything of it let go.
func (s *seat) Done() <-chan struct{} { return s.p.done }

// Exit says how the process ended. It is valid after Done.
func (s *seat) Exit() task.ExitCause { return s.p.exit }

// ended says what an error of the connection means: mostly, that the process has ended.
func (p *Process) ended(ctx context.Context, err error) error {
	if status.Code(err) == codes.Unavailable {
		// The connection breaks a moment before the exit is known.
		select {
		case <-p.exited:
		case <-time.After(settle):
		case <-ctx.Done():
		}
	}
	if !closed(p.exited) {
		return plain(err)
	}
	select {
	case <-p.done:
		return &ExitedError{Exit: p.exit}
	case <-ctx.Done():
		return plain(err)
	}
}

// ExitedError says that a request failed because the process has ended.
type ExitedError struct{ Exit task.ExitCause }

func (e *ExitedError) Error() string { return "the process has ended: " + e.Exit.Text() }

func hasName(kv, name string) bool {
	return len(kv) > len(name) && kv[:len(name)] == name && kv[len(name)] == '='
}
