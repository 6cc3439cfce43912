package solo_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"path/filepath"
	"strings"
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

// begin serves a type and opens a session with one instance of it.
func begin(b *testing.B, typ task.Type) taskv1.Task_SessionClient {
	b.Helper()
	d, types, err := task.Plugin{Name: "p", Types: []task.Type{typ}}.Build()
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
	return stream
}

// BenchmarkDispatch measures run start → author code entered → result at the host,
// over a Unix socket; BenchmarkFloor a bare round trip of one frame on the same.
func BenchmarkDispatch(b *testing.B) {
	b.ReportAllocs()
	stream := begin(b, task.Periodic("t", func(context.Context, *task.Host, struct{}) error { return nil }))
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

// order is a message of 512 bytes.
type order struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
}

// BenchmarkMessages measures delivery → handler → settled at the host, over a Unix socket, with a host that refills the
// window as it is settled.
func BenchmarkMessages(b *testing.B) {
	handle := func(context.Context, *task.Host, struct{}, *task.Message[order]) error { return nil }
	emit := func(_ context.Context, _ *task.Host, _ struct{}, m *task.Message[order]) error {
		m.Emit("out", m.Value)
		return nil
	}
	batch := func(context.Context, *task.Host, struct{}, *task.Batch[order]) error { return nil }
	for _, c := range []struct {
		name string
		typ  task.Type
		size uint32
	}{
		{"plain", task.Consumer("t", handle), 0},
		{"emitting", task.Consumer("t", emit, task.Output[order]("out", "")), 0},
		{"batches of 50", task.BatchConsumer("t", batch), 50},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			stream := begin(b, c.typ)
			start := runStart()
			start.GetRunStart().Consume = &taskv1.Consume{Concurrency: 16, BatchSize: c.size}
			if err := stream.Send(start); err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			feed(b, stream, start.GetRunStart().GetRun(), b.N)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// feed hands out n messages and returns when all are settled.
func feed(b *testing.B, stream taskv1.Task_SessionClient, run string, n int) {
	b.Helper()
	value, err := json.Marshal(order{7, strings.Repeat("x", 512-len(`{"id":7,"text":""}`))})
	if err != nil {
		b.Fatal(err)
	}
	sent, settled, window := 0, 0, 0
	for settled < n {
		f, err := stream.Recv()
		if err != nil {
			b.Fatal(err)
		}
		switch body := f.GetBody().(type) {
		case *taskv1.PluginFrame_Load:
			reply := &taskv1.Reply{Id: body.Load.GetId()}
			if err := stream.Send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Reply{Reply: reply}}); err != nil {
				b.Fatal(err)
			}
		case *taskv1.PluginFrame_Credit:
			window = int(body.Credit.GetWindow())
		case *taskv1.PluginFrame_MessagesHandled:
			for _, h := range body.MessagesHandled.GetMessages() {
				if h.GetStatus() != taskv1.RunStatus_RUN_STATUS_SUCCEEDED {
					b.Fatal(h)
				}
			}
			settled += len(body.MessagesHandled.GetMessages())
		}
		d := &taskv1.Deliver{Run: run}
		for ; sent < min(n, settled+window); sent++ {
			d.Messages = append(d.Messages, &taskv1.Delivery{
				Tag: uint64(sent + 1), Queue: "orders", Id: "01j00000000000000000000000", Attempt: 1, Posted: 1, Value: value,
			})
		}
		if len(d.Messages) == 0 {
			continue
		}
		if err := stream.Send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Deliver{Deliver: d}}); err != nil {
			b.Fatal(err)
		}
	}
}
