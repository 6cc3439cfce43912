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

// fleet is a go-plugin host without anything: it launches plugins and sends each of their instances the start of a run
// in a fixed rhythm.
type fleet struct {
	path   string
	share  int // instances in a process
	config []byte
}

// fleetFloor launches plugins, drives them until ctx ends and then stops them all at once.
func fleetFloor(ctx context.Context, args []string) (any, error) {
	flags := flag.NewFlagSet("fleet", flag.ContinueOnError)
	path := flags.String("plugin", "", "binary of the probe")
	count := flags.Int("n", 100, "instances")
	share := flags.Int("share", 1, "instances in a process")
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
	f := &fleet{path: *path, share: max(*share, 1), config: packed}
	processes := make([]*process, (*count+f.share-1)/f.share)
	var launches, rhythm errgroup.Group
	launches.SetLimit(*width)
	phases := rand.New(rand.NewPCG(1, 2))
	for i := range processes {
		p := &process{client: newClient(f.path)}
		processes[i] = p
		first, end := i*f.share, min((i+1)*f.share, *count)
		own := make([]time.Duration, end-first)
		for k := range own {
			own[k] = time.Duration(phases.Int64N(int64(max(*every, 1))))
		}
		launches.Go(func() error {
			if err := f.launch(p, first, end); err != nil {
				return err
			}
			for k, m := range p.members {
				rhythm.Go(func() error { return m.drive(ctx, *every, own[k]) })
			}
			return nil
		})
	}
	err = launches.Wait()
	if err != nil {
		stopAll(processes)
		return nil, err
	}
	<-ctx.Done()
	if err := rhythm.Wait(); err != nil {
		fmt.Fprintln(os.Stderr, "bare: drive:", err)
	}
	began := time.Now()
	err = stopAll(processes)
	return fleetResult{Stop: int64(time.Since(began))}, err
}

// process is one launched plugin.
type process struct {
	client  *plugin.Client
	members []*member
}

// member is one instance of a plugin.
type member struct {
	name   string
	rpc    taskv1.TaskClient
	stream grpc.BidiStreamingClient[taskv1.HostFrame, taskv1.PluginFrame]
	ended  chan struct{} // closed when the stream has ended
	read   uint64        // frames so far; only the reader's until ended
}

// launch starts p with the instances from first to before end.
func (f *fleet) launch(p *process, first, end int) error {
	rpc, err := dispense(p.client)
	if err != nil {
		return fmt.Errorf("launch the process of %d: %w", first, err)
	}
	for i := first; i < end; i++ {
		m := &member{name: strconv.Itoa(i), rpc: rpc, ended: make(chan struct{})}
		if err := m.open(f.config); err != nil {
			return fmt.Errorf("launch %s: %w", m.name, err)
		}
		p.members = append(p.members, m)
		go m.drain()
	}
	return nil
}

func (m *member) open(config []byte) error {
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

// stopAll stops all instances at once and waits until they, and then their processes, have ended.
func stopAll(processes []*process) error {
	var group errgroup.Group
	for _, p := range processes {
		group.Go(func() error {
			defer p.client.Kill()
			var members errgroup.Group
			for _, m := range p.members {
				members.Go(m.stop)
			}
			return members.Wait()
		})
	}
	return group.Wait()
}

func (m *member) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := m.rpc.Stop(ctx, &taskv1.StopRequest{Instance: m.name})
	select {
	case <-m.ended:
		return nil // also when the process was gone before its answer had left it
	case <-ctx.Done():
	}
	return err
}
