package main

import (
	"context"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// streamResult holds round trips in nanoseconds.
type streamResult struct {
	Busy  []int64 `json:"busy"`  // one right after the other
	Paced []int64 `json:"paced"` // at the pace of the dispatches that they are compared with
}

// streamFloor measures round trips on one bidirectional stream to another process over a Unix socket.
func streamFloor(ctx context.Context, args []string) (_ any, err error) {
	flags := flag.NewFlagSet("stream", flag.ContinueOnError)
	count := flags.Int("n", 5000, "round trips of each kind")
	pace := flags.Duration("pace", time.Millisecond, "between two paced ones")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "taskhost-bare-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "s")
	end, err := startEcho(ctx, socket)
	if err != nil {
		return nil, err
	}
	defer end()

	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stream, err := taskv1.NewTaskClient(conn).Session(ctx, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	var r streamResult
	for i := range 2 * *count {
		if i > *count {
			if err := wait(ctx, *pace); err != nil {
				return nil, err
			}
		}
		took, err := roundTrip(stream)
		switch {
		case err != nil:
			return nil, err
		case i < *count/10: // the first ones warm up
		case i < *count:
			r.Busy = append(r.Busy, int64(took))
		default:
			r.Paced = append(r.Paced, int64(took))
		}
	}
	return r, nil
}

func roundTrip(stream grpc.BidiStreamingClient[taskv1.HostFrame, taskv1.PluginFrame]) (time.Duration, error) {
	began := time.Now()
	if err := stream.Send(startOf("01234567890123456789012345", began)); err != nil {
		return 0, err
	}
	_, err := stream.Recv()
	return time.Since(began), err
}

// startOf is the frame that starts a run.
func startOf(run string, slot time.Time) *taskv1.HostFrame {
	return &taskv1.HostFrame{Body: &taskv1.HostFrame_RunStart{RunStart: &taskv1.RunStart{
		Run: run, Attempt: 1, Trigger: "slot", Slot: slot.UnixNano(),
	}}}
}

// startEcho starts this program as the other process. end waits until it has ended.
func startEcho(ctx context.Context, socket string) (end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "echo", socket)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		stdin.Close()
		_ = cmd.Wait()
	}, nil
}

// echo answers each frame of a stream with another, until ctx ends.
func echo(ctx context.Context, args []string) (any, error) {
	listener, err := net.Listen("unix", args[0])
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer()
	taskv1.RegisterTaskServer(server, echoServer{})
	defer context.AfterFunc(ctx, server.Stop)()
	return nil, server.Serve(listener)
}

type echoServer struct{ taskv1.UnimplementedTaskServer }

func (echoServer) Session(stream taskv1.Task_SessionServer) error {
	for {
		f, err := stream.Recv()
		if err != nil {
			return nil
		}
		entered := &taskv1.RunEntered{Run: f.GetRunStart().GetRun()}
		if err := stream.Send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_RunEntered{RunEntered: entered}}); err != nil {
			return err
		}
	}
}

// wait sleeps for d unless ctx ends first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
