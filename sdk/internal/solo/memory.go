package solo

import (
	"context"
	"errors"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// Memory serves a plugin's server within this process: real gRPC over pipes.
type Memory struct {
	Conn   *grpc.ClientConn
	server *grpc.Server
	served chan struct{}
}

// Serve begins to serve; Close ends it.
func Serve(s *session.Server) (*Memory, error) {
	listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	m := &Memory{
		server: grpc.NewServer(grpc.MaxRecvMsgSize(wire.MaxMessage), grpc.MaxSendMsgSize(wire.MaxMessage)),
		served: make(chan struct{}),
	}
	taskv1.RegisterTaskServer(m.server, s)
	go func() {
		defer close(m.served)
		_ = m.server.Serve(listener) // ends through Close only
	}()
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)),
		grpc.WithContextDialer(listener.dial))
	if err != nil {
		m.server.Stop()
		<-m.served
		return nil, err
	}
	m.Conn = conn
	return m, nil
}

// Close ends the connection and the server.
func (m *Memory) Close() {
	_ = m.Conn.Close()
	m.server.Stop()
	<-m.served
}

// pipes is a listener whose connections are pipes in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) dial(ctx context.Context, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, errors.New("the server is closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "memory" }
