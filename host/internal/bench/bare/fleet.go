package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/hashicorp/go-plugin"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// fleetResult says how long a graceful stop of all took, in nanoseconds.
type fleetResult struct {
	Stop int64 `json:"stop"`
}

// fleet is a go-plugin host without anything: it launches plugins and sends each the start of a run
// in a fixed rhythm.
type fleet struct {
	path   string
	every  time.Duration // 0: launch only
	config []byte
	end    context.Context // ends the rhythm
}

// fleetFloor launches plugins, drives them until ctx ends and then stops them all at once.
func fleetFloor(ctx context.Context, args []string) (any, error) {
	flags := flag.NewFlagSet("fleet", flag.ContinueOnError)
	path := flags.String("plugin", "", "binary of the probe")
	count := flags.Int("n", 100, "processes")
	every := flags.Duration("every", time.Second, "between two runs of each; 0: none")
	out := flags.String("out", "", "file for the probe's notes")
	width := flags.Int("width", 8, "launches at the same time")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	config := cty.ObjectVal(map[string]cty.Value{"out": cty.StringVal(*out), "announce": cty.True})
	packed, err := msgpack.Marshal(config, config.Type())
	if err != nil {
		return nil, err
	}
	f := &fleet{path: *path, every: *every, config: packed, end: ctx}
	members := make([]*member, *count)
	var launches, rhythm errgroup.Group
	launches.SetLimit(*width)
	phases := rand.New(rand.NewPCG(1, 2))
	for i := range members {
		phase := time.Duration(phases.Int64N(int64(max(*every, 1))))
		launches.Go(func() error {
			m, err := f.launch(strconv.Itoa(i))
			if err != nil {
				return err
			}
			members[i] = m
			rhythm.Go(func() error { return m.drive(ctx, *every, phase) })
			return nil
		})
	}
	err = launches.Wait()
	if err != nil {
		stopAll(members)
		return nil, err
	}
	<-ctx.Done()
	if err := rhythm.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, "bare: drive:", err)
	}
	began := time.Now()
	err = stopAll(members)
	return fleetResult{Stop: int64(time.Since(began))}, err
}

// member is one launched plugin.
type member struct {
	name   string
	client *plugin.Client
	rpc    taskv1.TaskClient
	stream grpc.BidiStreamingClient[taskv1.HostFrame, taskv1.PluginFrame]
	ended  chan struct{} // closed when the stream has ended
	read   uint64        // frames so far; only the reader's until ended
}

func (f *fleet) launch(name string) (*member, error) {
	m := &member{name: name, client: newClient(f.path), ended: make(chan struct{})}
	err := m.open(f.config)
	if err != nil {
		m.client.Kill()
		return nil, fmt.Errorf("launch %s: %w", name, err)
	}
	go m.drain()
	return m, nil
}

func (m *member) open(config []byte) (err error) {
	if m.rpc, err = dispense(m.client); err != nil {
		return err
	}
	ctx := context.Background()
	answer, err := m.rpc.Configure(ctx, &taskv1.ConfigureRequest{Instance: m.name, Type: "probe", Mode: "periodic", Config: config})
	if err != nil {
		return err
	}
	if answer.GetError() != "" || len(answer.GetProblems()) > 0 {
		return fmt.Errorf("configure: %s %v", answer.GetError(), answer.GetProblems())
	}
	if m.stream, err = m.rpc.Session(ctx); err != nil {
		return err
	}
	hello := &taskv1.Hello{Instance: m.name, Token: m.name}
	if err := m.stream.Send(&taskv1.HostFrame{Body: &taskv1.HostFrame_Hello{Hello: hello}}); err != nil {
		return err
	}
	_, err = m.stream.Recv()
	return err
}

// drain reads what the plugin reports, until it ends.
func (m *member) drain() {
	defer close(m.ended)
	for {
		if _, err := m.stream.Recv(); err != nil {
			return
		}
		m.read++
	}
}

// drive sends the starts of runs on a grid until ctx ends.
func (m *member) drive(ctx context.Context, every, phase time.Duration) error {
	if every == 0 {
		return nil
	}
	slot := time.Now().Truncate(every).Add(phase)
	for n := uint64(1); ; n++ {
		for !slot.After(time.Now()) {
			slot = slot.Add(every)
		}
		if wait(ctx, time.Until(slot)) != nil {
			return nil
		}
		frame := startOf("run-"+m.name+"-"+strconv.FormatUint(n, 10), slot)
		frame.Seq = n
		if err := m.stream.Send(frame); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
}

// stopAll stops all members at once and waits until they have ended.
func stopAll(members []*member) error {
	var group errgroup.Group
	for _, m := range members {
		if m == nil {
			continue
		}
		group.Go(func() error {
			defer m.client.Kill()
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			_, err := m.rpc.Stop(ctx, &taskv1.StopRequest{Instance: m.name})
			select {
			case <-m.ended:
				return nil // also when the process was gone before its answer had left it
			case <-ctx.Done():
			}
			return err
		})
	}
	return group.Wait()
}
