package process

import (
	"context"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

const (
	// readBuffer is small, because there is a connection per process and little comes on each.
	readBuffer = 4 << 10
	// writeBuffer is there only while something is sent; messages are sent many at a time.
	writeBuffer = 32 << 10
)

// connect makes the connection to the plugin and waits until it answers. When it fails,
// nothing of the process is left.
func (p *Process) connect(ctx context.Context, name string) error {
	conn, err := grpc.NewClient("passthrough:///"+name,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // the socket lies in a directory of mode 0700
		grpc.WithContextDialer(func(ctx context.Context, name string) (net.Conn, error) {
			return dialSocket(ctx, p.dir, name)
		}),
		grpc.WithAuthority("localhost"),
		grpc.WithReadBufferSize(readBuffer),
		grpc.WithWriteBufferSize(writeBuffer),
		grpc.WithSharedWriteBuffer(true),
		grpc.WithInitialWindowSize(wire.DefaultMaxFrame),
		grpc.WithInitialConnWindowSize(2*wire.DefaultMaxFrame),
		grpc.WithIdleTimeout(0),
		grpc.WithNoProxy(),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableHealthCheck(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.6, MaxDelay: 250 * time.Millisecond},
			MinConnectTimeout: time.Second,
		}),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(wire.MaxMessage),
			grpc.MaxCallSendMsgSize(wire.MaxMessage),
		),
	)
	if err != nil {
		return p.fail(ctx, err)
	}
	if !p.take(conn) {
		_ = conn.Close()
		return p.fail(ctx, errors.New("it has ended"))
	}
	limit, cancel := context.WithDeadlineCause(ctx, p.startBy, errNoService)
	defer cancel()
	answered := make(chan error, 1)
	asking, stop := context.WithCancel(limit)
	defer stop()
	go func() {
		_, err := p.rpc.Ping(asking, &taskv1.PingRequest{}, grpc.WaitForReady(true))
		answered <- err
	}()
	select {
	case err = <-answered:
	case <-p.exited:
		stop()
		err = <-answered
	}
	if err != nil {
		return p.fail(limit, plain(err))
	}
	return nil
}

// take makes conn the process's, unless the process has hung up already.
func (p *Process) take(conn *grpc.ClientConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hung {
		return false
	}
	p.conn, p.rpc = conn, taskv1.NewTaskClient(conn)
	return true
}
