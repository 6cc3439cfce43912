package main

import (
	"context"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// streamResult holds round trips in nanoseconds.
type streamResult struct {
	Busy  []int64 `json:"busy"`  // to one process, one right after the other
	Paced []int64 `json:"paced"` // to many in turn, at the pace of the dispatches that they are compared with
}

// stream is the session that a round trip travels on.
type stream = grpc.BidiStreamingClient[taskv1.HostFrame, taskv1.PluginFrame]

// streamFloor measures round trips on bidirectional streams to other processes over Unix sockets.
func streamFloor(ctx context.Context, args []string) (_ any, err error) {
	flags := flag.NewFlagSet("stream", flag.ContinueOnError)
	count := flags.Int("n", 5000, "round trips of each kind")
	peers := flags.Int("peers", 100, "processes")
	pace := flags.Duration("pace", time.Millisecond, "between two paced ones")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "taskhost-bare-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	streams := make([]stream, *peers)
	for i := range streams {
		var end func()
		if streams[i], end, err = openEcho(ctx, filepath.Join(dir, strconv.Itoa(i))); err != nil {
			return nil, err
		}
		defer end()
	}
	var r streamResult
	if _, err := trips(ctx, streams, *peers, 0); err != nil { // warms them up
		return nil, err
	}
	if r.Busy, err = trips(ctx, streams[:1], *count, 0); err != nil {
		return nil, err
	}
	r.Paced, err = trips(ctx, streams, *count, *pace)
	return r, err
}

// trips makes round trips on the streams in turn, with a pause before each.
func trips(ctx context.Context, streams []stream, count int, pace time.Duration) ([]int64, error) {
	all := make([]int64, 0, count)
	for i := range count {
		if pace > 0 {
			if err := wait(ctx, pace); err != nil {
				return nil, err
			}
		}
		took, err := roundTrip(streams[i%len(streams)])
		if err != nil {
			return nil, err
		}
		all = append(all, int64(took))
	}
	return all, nil
}

// openEcho starts a process and opens a stream to it. end ends both.
func openEcho(ctx context.Context, socket string) (_ stream, end func(), err error) {
	stop, err := startEcho(ctx, socket)
	if err != nil {
		return nil, nil, err
	}
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 5 * time.Millisecond, Multiplier: 1, MaxDelay: 5 * time.Millisecond}}))
	if err != nil {
		stop()
		return nil, nil, err
	}
	end = func() {
		_ = conn.Close()
		stop()
	}
	s, err := taskv1.NewTaskClient(conn).Session(ctx, grpc.WaitForReady(true))
	if err != nil {
		end()
		return nil, nil, err
	}
	return s, end, nil
}

func roundTrip(s stream) (time.Duration, error) {
	began := time.Now()
	if err := s.Send(startOf("01234567890123456789012345", began)); err != nil {
		return 0, err
	}
	_, err := s.Recv()
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
