//go:build linux

package process

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/taskhost/taskhost/host/internal/hosttest"
	"github.com/taskhost/taskhost/sdk/wire"
	"github.com/taskhost/taskhost/sdk/wire/taskv1"
)

// The test binary plays the plugins: with scriptEnv set it behaves as that script says.
const (
	scriptEnv = "PROCTEST_SCRIPT"
	argEnv    = "PROCTEST_ARG"
	markEnv   = "PROCTEST_MARK" // finds every process of a test
	sleepArg  = "proctest-sleep"
	forkArg   = "proctest-fork"
)

func init() {
	if os.Getenv(scriptEnv) == "panic-init" {
		panic("no luck in init")
	}
}

func TestMain(m *testing.M) {
	if hosttest.PlayTracer() {
		return
	}
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case sleepArg:
			sleepAsGrandchild()
		case benchArg:
			playBench(os.Args[2:])
		case hostArg:
			playHost(os.Args[2:])
		case forkArg: // the middle of a double fork
			grandchild(nil)
			os.Exit(0)
		}
	}
	if script := os.Getenv(scriptEnv); script != "" {
		playPlugin(script)
	}
	os.Exit(m.Run())
}

func sleepAsGrandchild() {
	fmt.Fprintf(os.Stderr, "grandchild %d\n", os.Getpid())
	forever()
}

// forever blocks; the ticker keeps the runtime from calling that a deadlock.
func forever() {
	for range time.Tick(time.Hour) {
	}
}

// grandchild starts a sleeper in a session of its own, with an empty environment, that
// holds stderr.
func grandchild(env []string) *exec.Cmd {
	self, _ := os.Executable()
	cmd := exec.Command(self, sleepArg)
	cmd.Env = append([]string{"A=b"}, env...) // nil would inherit everything
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	return cmd
}

var realStderr = os.Stderr

func playPlugin(script string) {
	arg := os.Getenv(argEnv)
	switch script {
	case "exit":
		code, _ := strconv.Atoi(arg)
		fmt.Fprintln(os.Stderr, "[ERROR] cannot go on")
		os.Exit(code)
	case "panic-start":
		panic("no luck at start")
	case "hang":
		watchLifeline()
		forever()
	case "sdk":
		serveSDK()
	case "close-stdout":
		_ = os.Stdout.Close()
		forever()
	case "junk-endless":
		for {
			fmt.Println("loading", strings.Repeat(".", 100))
		}
	case "junk-binary":
		block := make([]byte, 1<<16)
		for {
			if _, err := os.Stdout.Write(block); err != nil {
				os.Exit(1)
			}
		}
	case "never-serves":
		fmt.Println("1|1|unix|./plugin-nobody|grpc|")
		watchLifeline()
		forever()
	case "core-version":
		fmt.Println("7|1|unix|./plugin-nobody|grpc|")
		watchLifeline()
		forever()
	case "netrpc":
		fmt.Println("1|1|unix|./plugin-nobody|netrpc|")
		watchLifeline()
		forever()
	case "foreign-socket":
		fmt.Println("1|1|unix|/var/run/docker.sock|grpc|")
		watchLifeline()
		forever()
	case "junk-before":
		fmt.Println("hello from an init function")
		fmt.Print("loading... 1")
	case "version":
		protocol, _ := strconv.Atoi(arg)
		servePlugin(protocol, &scripted{}, wire.CookieValue)
	case "cookie":
		servePlugin(1, &scripted{}, "of-another-host")
	case "unknown-service":
		servePlugin(1, &scripted{script: script}, wire.CookieValue)
	}
	watchLifeline()
	servePlugin(1, &scripted{script: script}, wire.CookieValue)
}

// watchLifeline ends the process when the host is gone.
func watchLifeline() {
	if os.Getenv(argEnv) == "deaf" {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(113)
	}()
}

func servePlugin(protocol int, s *scripted, cookie string) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: cookie},
		VersionedPlugins: map[int]plugin.PluginSet{protocol: {wire.ServiceName: s}},
		Logger:           hclog.NewNullLogger(),
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(o, grpc.MaxRecvMsgSize(wire.MaxMessage), grpc.MaxSendMsgSize(wire.MaxMessage))...)
		},
	})
	os.Exit(0)
}

// scripted is the plugin side of the wire, by hand.
type scripted struct {
	plugin.NetRPCUnsupportedPlugin
	taskv1.UnimplementedTaskServer
	script string
	seq    atomic.Uint64
	task   string
}

func (s *scripted) GRPCServer(_ *plugin.GRPCBroker, srv *grpc.Server) error {
	if s.script != "unknown-service" {
		taskv1.RegisterTaskServer(srv, s)
	}
	return nil
}

func (s *scripted) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

func (s *scripted) Ping(context.Context, *taskv1.PingRequest) (*taskv1.PingResponse, error) {
	return &taskv1.PingResponse{}, nil
}

// Configure also acts: most scripts begin here, when the process is up.
func (s *scripted) Configure(_ context.Context, r *taskv1.ConfigureRequest) (*taskv1.ConfigureResponse, error) {
	s.task = r.Instance
	stdout := os.NewFile(1, "stdout")
	switch s.script {
	case "reject":
		return &taskv1.ConfigureResponse{Problems: []*taskv1.Problem{
			{Summary: "is old", Warning: true},
			{Summary: "must be https", Path: []*taskv1.PathStep{
				{Step: &taskv1.PathStep_Attribute{Attribute: "headers"}},
				{Step: &taskv1.PathStep_Index{Index: 2}},
				{Step: &taskv1.PathStep_Attribute{Attribute: "url"}},
			}},
		}}, nil
	case "open-fails":
		return &taskv1.ConfigureResponse{Error: "connection refused"}, nil
	case "stderr":
		fmt.Fprint(realStderr, os.Getenv(argEnv)+"\n")
	case "env":
		for _, kv := range os.Environ() {
			fmt.Fprintln(realStderr, "env "+kv)
		}
	case "long-lines":
		w := bufio.NewWriter(stdout)
		for range 100 << 10 {
			_, _ = w.WriteString(strings.Repeat("x", 1<<10))
		}
		_, _ = w.WriteString("\n")
		_ = w.Flush()
		fmt.Fprintln(stdout, "after the long line")
	case "flood":
		go func() {
			line := []byte(strings.Repeat("f", 1000) + "\n")
			for {
				_, _ = realStderr.Write(line)
			}
		}()
	case "flood-stdout":
		go func() {
			line := []byte(strings.Repeat("f", 1000) + "\n")
			for {
				_, _ = stdout.Write(line)
			}
		}()
	case "printing":
		go func() {
			for range time.Tick(10 * time.Millisecond) {
				fmt.Fprintln(stdout, "tick")
			}
		}()
	case "logging":
		go func() {
			log := hclog.New(&hclog.LoggerOptions{JSONFormat: true, Output: realStderr})
			for range time.Tick(10 * time.Millisecond) {
				log.Info("tick")
			}
		}()
	case "busy":
		for range 2 * runtime.NumCPU() {
			go func() {
				for n := 0; ; n++ {
					_ = n
				}
			}()
		}
	case "panic":
		go func() { panic("no luck in a goroutine") }()
		forever()
	case "fatal":
		m := map[int]int{}
		for range 4 {
			go func() {
				for n := 0; ; n++ {
					m[n] = n
				}
			}()
		}
		select {}
	case "grab":
		var held [][]byte
		for {
			piece := make([]byte, 1<<20)
			for i := 0; i < len(piece); i += 4096 {
				piece[i] = 1
			}
			held = append(held, piece)
			if len(held) > 4096 {
				panic("nothing stops it")
			}
		}
	case "fork":
		self, _ := os.Executable()
		for range 3 {
			cmd := exec.Command(self, sleepArg)
			cmd.Stderr = realStderr
			_ = cmd.Start()
		}
	case "own-group":
		self, _ := os.Executable()
		cmd := exec.Command(self, sleepArg)
		cmd.Stderr = realStderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		_ = cmd.Start()
	case "daemon":
		os.Stderr = realStderr
		self, _ := os.Executable()
		cmd := exec.Command(self, forkArg)
		cmd.Env = []string{"A=b"}
		cmd.Stderr = realStderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		_ = cmd.Run()
	case "setsid-child":
		os.Stderr = realStderr
		grandchild(nil)
	}
	return &taskv1.ConfigureResponse{}, nil
}

func (s *scripted) Stop(_ context.Context, r *taskv1.StopRequest) (*taskv1.StopResponse, error) {
	if r.Run == "" {
		time.AfterFunc(5*time.Millisecond, func() { os.Exit(0) })
	}
	fmt.Fprintf(realStderr, "stop instance=%s run=%s deadline=%s reason=%s\n", r.Instance, r.Run, time.Duration(r.Deadline), r.Reason)
	return &taskv1.StopResponse{}, nil
}

func (s *scripted) Cancel(_ context.Context, r *taskv1.CancelRequest) (*taskv1.CancelResponse, error) {
	fmt.Fprintf(realStderr, "cancel instance=%s run=%s cause=%s deadline=%s\n", r.Instance, r.Run, r.Cause, time.Duration(r.Deadline))
	return &taskv1.CancelResponse{}, nil
}

func (s *scripted) Session(stream taskv1.Task_SessionServer) error {
	send := func(f *taskv1.PluginFrame) { f.Seq = s.seq.Add(1); _ = stream.Send(f) }
	var last uint64
	for {
		f, err := stream.Recv()
		if err != nil {
			return err
		}
		if f.Seq != last+1 {
			return fmt.Errorf("host sent frame %d after %d", f.Seq, last)
		}
		last = f.Seq
		switch b := f.Body.(type) {
		case *taskv1.HostFrame_Hello:
			if b.Hello.Instance != s.task || len(b.Hello.Token) != 26 {
				return fmt.Errorf("bad hello %v for %q", b.Hello, s.task)
			}
			if s.script == "no-welcome" {
				send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Beat{Beat: &taskv1.Beat{}}})
				continue
			}
			send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Welcome{Welcome: &taskv1.Welcome{}}})
		case *taskv1.HostFrame_RunStart:
			s.run(b.RunStart, send)
		case *taskv1.HostFrame_MethodCall:
			m := b.MethodCall
			reply := &taskv1.MethodReply{Id: m.Id, Result: m.Input}
			switch m.Method {
			case "fail":
				reply = &taskv1.MethodReply{Id: m.Id, Error: "no such page"}
			case "silent":
				continue
			case "exit":
				os.Exit(5)
			}
			send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_MethodReply{MethodReply: reply}})
		case *taskv1.HostFrame_Reply:
			send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Beat{Beat: &taskv1.Beat{
				Note: fmt.Sprintf("reply %d %q %s %v", b.Reply.Id, b.Reply.Error, b.Reply.Value, b.Reply.Found),
			}}})
		case nil:
			if f.Ack == 0 {
				return fmt.Errorf("a frame without body and acknowledgement")
			}
			fmt.Fprintf(realStderr, "ack %d\n", f.Ack)
		}
	}
}

// run plays one run: it reports what the run's id asks for.
func (s *scripted) run(r *taskv1.RunStart, send func(*taskv1.PluginFrame)) {
	result := &taskv1.RunResult{Run: r.Run, Status: taskv1.RunStatus_RUN_STATUS_SUCCEEDED, Result: []byte(`{"ok":true}`), ObservedStop: true}
	send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_RunEntered{RunEntered: &taskv1.RunEntered{Run: r.Run}}})
	switch r.Run {
	case "everything":
		send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Progress{Progress: &taskv1.Progress{Run: r.Run, Done: 3, Total: 7, Note: "half"}}})
		send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Publish{Publish: &taskv1.Publish{Key: "now", Value: []byte(`1`)}}})
		send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Publish{Publish: &taskv1.Publish{Key: "bad", Value: []byte(`{`)}}})
		send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Ready{Ready: &taskv1.Ready{Note: "open"}}})
		send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Commit{Commit: &taskv1.Commit{Id: 1, Run: r.Run, Ops: []*taskv1.Op{
			{Op: &taskv1.Op_Save{Save: &taskv1.Save{Key: "a", Value: []byte(`1`)}}},
			{Op: &taskv1.Op_SaveRun{SaveRun: &taskv1.Save{Key: "b", Value: []byte(`2`)}}},
			{Op: &taskv1.Op_Delete{Delete: "c"}},
			{Op: &taskv1.Op_Emit{Emit: &taskv1.Emit{Output: "pages", Value: []byte(`3`), Id: "m", Key: "k"}}},
		}}}})
		send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Load{Load: &taskv1.Load{Id: 2, Key: "a"}}})
		send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Extend{Extend: &taskv1.Extend{Id: 3, Run: r.Run, By: int64(time.Second)}}})
	case "big-commit":
		send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Commit{Commit: &taskv1.Commit{Id: 9, Run: r.Run, Ops: []*taskv1.Op{
			{Op: &taskv1.Op_Save{Save: &taskv1.Save{Key: "a", Value: jsonText(wire.DefaultMaxFrame)}}},
		}}}})
	case "big-result":
		result.Result = jsonText(wire.DefaultMaxFrame)
	case "huge-result":
		result.Result = jsonText(wire.MaxMessage)
	case "gap":
		s.seq.Add(1)
	case "many":
		for range 300 {
			send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_Beat{Beat: &taskv1.Beat{}}})
		}
	case "result-and-exit":
		send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_RunResult{RunResult: result}})
		time.AfterFunc(200*time.Millisecond, func() { os.Exit(4) }) // long enough to be on its way
		return
	case "forever":
		return
	}
	send(&taskv1.PluginFrame{Body: &taskv1.PluginFrame_RunResult{RunResult: result}})
}

func jsonText(n int) []byte {
	return []byte(`"` + strings.Repeat("x", n) + `"`)
}
