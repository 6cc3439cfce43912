package solo_test

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/task"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// echo answers every frame at once: the floor under a dispatch.
type echo struct{ taskv1.UnimplementedTaskServer }

func (echo) Session(s taskv1.Task_SessionServer) error {
	for {
		f, err := s.Recv()
		if err != nil {
			return err
		}
		if err := s.Send(&taskv1.PluginFrame{Seq: f.GetSeq(), Body: &taskv1.PluginFrame_RunEntered{RunEntered: &taskv1.RunEntered{Run: f.GetRunStart().GetRun()}}}); err != nil {
			return err
		}
	}
}

// dial serves s on a Unix socket and opens a session stream to it.
func dial(b *testing.B, s taskv1.TaskServer) (taskv1.TaskClient, context.Context) {
	b.Helper()
	listener, err := net.Listen("unix", filepath.Join(b.TempDir(), "s"))
	if err != nil {
		b.Fatal(err)
	}
	server := grpc.NewServer()
	taskv1.RegisterTaskServer(server, s)
	go func() { _ = server.Serve(listener) }()
	conn, err := grpc.NewClient("unix:"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = conn.Close()
		server.Stop()
	})
	return taskv1.NewTaskClient(conn), b.Context()
}

func runStart() *taskv1.HostFrame {
	return &taskv1.HostFrame{Body: &taskv1.HostFrame_RunStart{RunStart: &taskv1.RunStart{
		Run: "01j00000000000000000000000", Attempt: 1, Trigger: "slot", Slot: time.Now().UnixNano(),
	}}}
}

// BenchmarkDispatch measures run start → author code entered → result at the host,
// over a Unix socket; BenchmarkFloor a bare round trip of one frame on the same.
func BenchmarkDispatch(b *testing.B) {
	b.ReportAllocs()
	d, types, err := task.Plugin{Name: "p", Types: []task.Type{
		task.Periodic("t", func(context.Context, *task.Host, struct{}) error { return nil }),
	}}.Build()
	if err != nil {
		b.Fatal(err)
	}
	server, err := session.New(d, types, session.Log{Output: io.Discard})
	if err != nil {
		b.Fatal(err)
	}
	client, ctx := dial(b, server)
	if _, err := client.Configure(ctx, &taskv1.ConfigureRequest{Instance: "a", Type: "t", Config: []byte{0x80}}); err != nil {
		b.Fatal(err)
	}
	stream, err := client.Session(ctx)
	if err != nil {
		b.Fatal(err)
	}
	if err := stream.Send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Hello{Hello: &taskv1.Hello{Instance: "a", Token: "t"}}}); err != nil {
		b.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := stream.Send(runStart()); err != nil {
			b.Fatal(err)
		}
		for range 2 {
			if _, err := stream.Recv(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkFloor(b *testing.B) {
	b.ReportAllocs()
	client, ctx := dial(b, echo{})
	stream, err := client.Session(ctx)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := stream.Send(runStart()); err != nil {
			b.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil {
			b.Fatal(err)
		}
	}
}
