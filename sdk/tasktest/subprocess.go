package tasktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/taskhost/taskhost/sdk/wire"
)

const (
	// handshakeTime bounds the start of a plugin, endTime its end once the host is gone.
	handshakeTime = 30 * time.Second
	endTime       = 10 * time.Second
)

// subprocess is a plugin process that was started as a host starts it.
type subprocess struct {
	cmd      *exec.Cmd
	dir      string // of its socket
	lifeline *os.File
	once     sync.Once
	closed   error // of the lifeline; valid after once
	conn     *grpc.ClientConn
	exited   chan struct{}
}

// launch starts the binary and waits for its handshake.
func launch(path string, log *logs, env map[string]string) (*subprocess, error) {
	dir, err := os.MkdirTemp("", "tt") // short: a socket's path is bounded
	if err != nil {
		return nil, fmt.Errorf("make socket directory: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make lifeline: %w", err)
	}
	out := &handshake{line: make(chan string, 1), rest: &lineWriter{log: log}}
	cmd := exec.Command(path)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = read, out, &lineWriter{log: log}
	cmd.WaitDelay = time.Second
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir,
		wire.CookieKey + "=" + wire.CookieValue, fmt.Sprint(wire.LifelineEnv, "=", lifelineTime.Seconds()),
		fmt.Sprintf("PLUGIN_PROTOCOL_VERSIONS=%d", wire.ProtocolVersion), "PLUGIN_UNIX_SOCKET_DIR=" + dir,
	}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	p := &subprocess{cmd: cmd, dir: dir, lifeline: write, exited: make(chan struct{})}
	err = cmd.Start()
	_ = read.Close()
	if err != nil {
		_ = write.Close()
		return nil, errors.Join(fmt.Errorf("start plugin: %w", err), os.RemoveAll(dir))
	}
	go func() {
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(p.exited)
	}()
	if err := p.dial(out.line); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// dial waits for the handshake line and connects to the address in it.
func (p *subprocess) dial(lines <-chan string) error {
	timer := time.NewTimer(handshakeTime)
	defer timer.Stop()
	var line string
	select {
	case line = <-lines:
	case <-p.exited:
		return errNoHandshake
	case <-timer.C:
		return errors.New("no handshake came")
	}
	fields := strings.Split(line, "|")
	if len(fields) < 5 || fields[1] != fmt.Sprint(wire.ProtocolVersion) || fields[4] != "grpc" {
		return fmt.Errorf("the handshake %q is not one of protocol %d", line, wire.ProtocolVersion)
	}
	conn, err := grpc.NewClient("passthrough:///plugin",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, fields[2], fields[3])
		}))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	p.conn = conn
	return nil
}

func (p *subprocess) connection() grpc.ClientConnInterface { return p.conn }

func (p *subprocess) kill() { _ = p.cmd.Process.Kill() } // fails only when it has ended

func (p *subprocess) orphan() { p.once.Do(func() { p.closed = p.lifeline.Close() }) }

// close lets go of the lifeline, as a host that dies does, and waits.
func (p *subprocess) close() error {
	p.orphan()
	err := p.closed
	timer := time.NewTimer(endTime)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		p.kill()
		<-p.exited
		err = errors.Join(err, fmt.Errorf("the plugin was still there %s after its host had gone", endTime))
	}
	if p.conn != nil {
		err = errors.Join(err, p.conn.Close())
	}
	return errors.Join(err, os.RemoveAll(p.dir))
}

// handshake takes the first line of stdout apart from the rest.
type handshake struct {
	mu    sync.Mutex
	first []byte
	done  bool
	line  chan string
	rest  *lineWriter
}

func (h *handshake) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(p)
	if !h.done {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			h.first = append(h.first, p...)
			return n, nil
		}
		h.done = true
		h.line <- string(append(h.first, p[:i]...))
		p = p[i+1:]
	}
	_, _ = h.rest.Write(p)
	return n, nil
}

// lineWriter hands whole lines of one stream to a log that several share.
type lineWriter struct {
	log  *logs
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	if i := bytes.LastIndexByte(w.rest, '\n'); i >= 0 {
		_, _ = w.log.Write(w.rest[:i+1])
		w.rest = append(w.rest[:0], w.rest[i+1:]...)
	}
	return len(p), nil
}
