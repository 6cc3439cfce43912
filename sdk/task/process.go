package task

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

const (
	// exitHostGone is the exit code of a plugin whose host has died.
	exitHostGone = 113
	// lastWords is how long author code may take to return after its context has
	// ended because the host is gone, and a finished server to close its connections.
	lastWords = 500 * time.Millisecond
	// drainWithoutWord is how long tasks drain when the host did not say.
	drainWithoutWord = 5 * time.Second
)

// process is this plugin process as a host has started it.
type process struct {
	server *session.Server
	drain  time.Duration // once the host is gone
	stdout *os.File      // as they were before go-plugin
	stderr *os.File
	first  sync.Once // the first call of the host
	grpc   chan *grpc.Server
	code   atomic.Int32
}

// serveHost serves until the host has no more use for the process, and returns the
// exit code.
func serveHost(d wire.Description, types []session.Type) int {
	p := &process{stdout: os.Stdout, stderr: os.Stderr, grpc: make(chan *grpc.Server, 1)}
	server, err := session.New(d, types, session.Log{Output: p.stderr})
	if err != nil {
		panic("task.Serve: " + err.Error())
	}
	p.server = server
	p.captureLogs()
	go p.watch(p.lifeline(), signals())
	if os.Getenv(wire.DebuggerEnv) != "" {
		awaitDebugger(p.stderr)
	}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  wire.ProtocolVersion,
			MagicCookieKey:   wire.CookieKey,
			MagicCookieValue: wire.CookieValue,
		},
		Plugins:    plugin.PluginSet{wire.ServiceName: registration{server: server}},
		GRPCServer: p.newServer,
		Logger:     quiet(p.stderr),
	})
	return int(p.code.Load())
}

// quiet is go-plugin's own logger: its debug lines are not the author's.
func quiet(out io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Name: "plugin", Level: hclog.Warn, Output: out, JSONFormat: true})
}

// captureLogs sends what authors log through the standard library to the task's log.
func (p *process) captureLogs() {
	root := p.server.Log()
	slog.SetDefault(slog.New(newSlogHandler(root)))
	// After SetDefault, which points package log at slog: this keeps "[WARN] …" levels.
	log.SetFlags(0)
	log.SetOutput(root.StandardWriter(&hclog.StandardLoggerOptions{InferLevels: true}))
}

// signals returns the channel of SIGTERM. SIGINT and SIGPIPE are caught and
// dropped: a Ctrl-C in the host's terminal is the host's business, and a write to
// a host that is gone must not kill the process while it cleans up. They are
// caught and not ignored, because children inherit what is ignored.
func signals() <-chan os.Signal {
	dropped := make(chan os.Signal, 1)
	signal.Notify(dropped, os.Interrupt, syscall.SIGPIPE)
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	return term
}

// lifeline returns a channel that is closed when stdin ends, if the host has said
// that stdin is its lifeline; otherwise it is never closed.
func (p *process) lifeline() <-chan struct{} {
	word := os.Getenv(wire.LifelineEnv)
	if word == "" {
		return nil
	}
	p.drain = drainWithoutWord
	if seconds, err := strconv.ParseFloat(word, 64); err == nil && seconds >= 0 && seconds < 1e6 {
		p.drain = time.Duration(seconds * float64(time.Second))
	}
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(gone)
	}()
	return gone
}

// watch decides when the process ends. It is the only one that does.
func (p *process) watch(gone <-chan struct{}, term <-chan os.Signal) {
	for {
		select {
		case <-term:
			p.server.Drain(0, "SIGTERM")
		case <-p.server.Done():
			p.end(0)
			return
		case <-gone:
			p.server.Drain(p.drain, "the host is gone")
			if !p.doneWithin(p.drain) {
				p.server.Abandon()
				p.doneWithin(lastWords)
			}
			p.end(exitHostGone)
			return
		}
	}
}

func (p *process) doneWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.server.Done():
		return true
	case <-timer.C:
		return false
	}
}

// end makes plugin.Serve return, which removes the socket, and the process exit
// with code; within a bound, whatever the host does.
func (p *process) end(code int32) {
	p.code.Store(code)
	time.AfterFunc(lastWords, func() { exit(int(code)) })
	select {
	case server := <-p.grpc:
		if code == exitHostGone {
			server.Stop()
		} else {
			server.GracefulStop()
		}
	default: // asked to end before it served
		exit(int(code))
	}
}

// newServer is the gRPC server, with small buffers: there are many such processes.
func (p *process) newServer(options []grpc.ServerOption) *grpc.Server {
	options = append(options, serverOptions()...)
	options = append(options,
		grpc.UnaryInterceptor(func(ctx context.Context, q any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			p.first.Do(p.takeOver)
			return next(ctx, q)
		}),
		grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			p.first.Do(p.takeOver)
			return next(srv, s)
		}))
	server := grpc.NewServer(options...)
	p.grpc <- server
	return server
}

// serverOptions are the limits and buffers of the plugin's gRPC server.
func serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(wire.MaxMessage),
		grpc.MaxSendMsgSize(wire.MaxMessage),
		grpc.ReadBufferSize(8 << 10),
		grpc.WriteBufferSize(8 << 10),
		grpc.SharedWriteBuffer(true),
		// Windows of a fixed size: otherwise each message would be answered with a ping that measures the connection, and that ping
		// with another, which wakes both processes once more.
		grpc.StaticStreamWindowSize(wire.DefaultMaxFrame),
		grpc.StaticConnWindowSize(2 * wire.DefaultMaxFrame),
	}
}

// ofHandshake are the variables by which a host and go-plugin tell a process that it is a plugin. Others that begin so are
// the task's own.
var ofHandshake = []string{
	wire.CookieKey, wire.LifelineEnv, wire.DebuggerEnv,
	"PLUGIN_PROTOCOL_VERSIONS", "PLUGIN_MIN_PORT", "PLUGIN_MAX_PORT", "PLUGIN_CLIENT_CERT", "PLUGIN_MULTIPLEX_GRPC",
	plugin.EnvUnixSocketDir, plugin.EnvUnixSocketGroup,
}

// takeOver undoes, once go-plugin has started, what must not last: it has pointed
// os.Stdout and os.Stderr at pipes that nobody drains, and its variables would
// make a plugin of a child that is none.
func (p *process) takeOver() {
	os.Stdout, os.Stderr = p.stdout, p.stderr
	for _, name := range ofHandshake {
		_ = os.Unsetenv(name)
	}
}

// registration is the Task service in the form that go-plugin wants.
type registration struct {
	plugin.NetRPCUnsupportedPlugin
	server *session.Server
}

var _ plugin.GRPCPlugin = registration{}

func (r registration) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	taskv1.RegisterTaskServer(s, r.server)
	return nil
}

func (registration) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("package task serves plugins and starts none")
}
