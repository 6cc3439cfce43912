//go:build linux

package process

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

const benchArg = "proctest-bench"

// BenchmarkLaunch compares a launch (start, handshake, connection, first answer) and the
// kill after it with the floor: start and handshake of the same binary, and a kill.
func BenchmarkLaunch(b *testing.B) {
	s := newStand(b, "good", "")
	var ours, floor, stop time.Duration
	n := 0
	for b.Loop() {
		began := time.Now()
		p := s.launch()
		ours += time.Since(began)
		began = time.Now()
		p.Kill()
		<-p.Done()
		stop += time.Since(began)

		began = time.Now()
		end := bareHandshake(b)
		floor += time.Since(began)
		end()
		n++
	}
	b.ReportMetric(ours.Seconds()*1e3/float64(n), "ms/launch")
	b.ReportMetric(floor.Seconds()*1e3/float64(n), "ms/floor")
	b.ReportMetric(ours.Seconds()/floor.Seconds(), "ratio")
	b.ReportMetric(stop.Seconds()*1e3/float64(n), "ms/kill")
}

// bareHandshake starts the binary and reads its handshake, and nothing more.
func bareHandshake(t testing.TB) (end func()) {
	self, _ := os.Executable()
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), scriptEnv+"=good", argEnv+"=deaf",
		wire.CookieKey+"="+wire.CookieValue, "PLUGIN_PROTOCOL_VERSIONS=1", "PLUGIN_UNIX_SOCKET_DIR="+os.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.Remove(strings.Split(line, "|")[3])
	}
}

// benchResult is what a host in a process of its own has measured.
type benchResult struct {
	Up         time.Duration // all processes up
	RSS        int64         // bytes of the host, per process
	Goroutines float64       // per process
	Files      float64       // descriptors per process
	CPU        time.Duration // of the host, until all are up
	Down       time.Duration // all processes gone
}

// BenchmarkThousand brings a thousand processes up in a host of its own, with this
// package, with go-plugin's own client, and, for the floor, with nothing but the
// handshake. PROCTEST_COUNT sets another number.
func BenchmarkThousand(b *testing.B) {
	count := "1000"
	if n := os.Getenv("PROCTEST_COUNT"); n != "" {
		count = n
	}
	self, _ := os.Executable()
	for b.Loop() {
		results := map[string]benchResult{}
		for _, variant := range []string{"floor", "bare", "ours"} {
			cmd := exec.Command(self, benchArg, variant, count, b.TempDir())
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				b.Fatalf("%s: %v", variant, err)
			}
			var r benchResult
			if err := json.Unmarshal(out, &r); err != nil {
				b.Fatalf("%s: %v: %s", variant, err, out)
			}
			results[variant] = r
			b.Logf("%-5s %s processes: up in %s, down in %s; host: %d KB, %.1f goroutines, %.1f descriptors per process, %s CPU until up",
				variant, count, r.Up.Round(time.Millisecond), r.Down.Round(time.Millisecond), r.RSS>>10, r.Goroutines, r.Files, r.CPU.Round(time.Millisecond))
		}
		ours, bare, floor := results["ours"], results["bare"], results["floor"]
		b.ReportMetric(ours.Up.Seconds()/floor.Up.Seconds(), "up/floor")
		b.ReportMetric(ours.Up.Seconds()/bare.Up.Seconds(), "up/bare")
		b.ReportMetric(float64(ours.RSS)/float64(bare.RSS), "rss/bare")
		b.ReportMetric(ours.CPU.Seconds()/bare.CPU.Seconds(), "cpu/bare")
		b.ReportMetric(ours.Goroutines/bare.Goroutines, "goroutines/bare")
	}
}

// playBench is the host of BenchmarkThousand. Arguments: variant, count, directory.
func playBench(args []string) {
	count, _ := strconv.Atoi(args[1])
	var up func(i int) (down func())
	switch args[0] {
	case "ours":
		up = benchOurs(args[2])
	case "bare":
		up = benchBare(args[2])
	case "floor":
		up = func(int) func() { return bareHandshake(benchTB{}) }
	}
	rss, goroutines, files := rssOf(), runtime.NumGoroutine(), fileCount()
	began := time.Now()
	downs := make([]func(), count)
	parallel(count, func(i int) { downs[i] = up(i) })
	r := benchResult{Up: time.Since(began), CPU: cpuOf()}
	debug.FreeOSMemory()
	n := float64(count)
	r.RSS = (rssOf() - rss) / int64(count)
	r.Goroutines = float64(runtime.NumGoroutine()-goroutines) / n
	r.Files = float64(fileCount()-files) / n
	began = time.Now()
	parallel(count, func(i int) { downs[i]() })
	r.Down = time.Since(began)
	_ = json.NewEncoder(os.Stdout).Encode(r)
	os.Exit(0)
}

func parallel(count int, f func(i int)) {
	next := make(chan int)
	var workers sync.WaitGroup
	for range 2 * runtime.NumCPU() {
		workers.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range count {
		next <- i
	}
	close(next)
	workers.Wait()
}

func benchOurs(dir string) func(int) func() {
	self, _ := os.Executable()
	l := New(Config{RunDir: filepath.Join(dir, "run")})
	return func(i int) func() {
		p, err := l.Launch(context.Background(), task.LaunchSpec{
			Task: fmt.Sprintf("bench.%d", i), Plugin: "scripted", Path: self, Timeout: time.Minute,
			Env: map[string]string{scriptEnv: "good"}, Log: discard{},
		})
		must(err)
		must(p.Configure(context.Background(), task.Configure{Task: "t"}))
		_, err = p.Open(context.Background(), newReports())
		must(err)
		return func() {
			p.Kill()
			<-p.Done()
		}
	}
}

func benchBare(dir string) func(int) func() {
	self, _ := os.Executable()
	return func(int) func() {
		cmd := exec.Command(self)
		cmd.Env = []string{scriptEnv + "=good", argEnv + "=deaf", "PLUGIN_UNIX_SOCKET_DIR=" + dir}
		c := plugin.NewClient(&plugin.ClientConfig{
			HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
			VersionedPlugins: map[int]plugin.PluginSet{1: {wire.ServiceName: &scripted{}}},
			AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
			Cmd:              cmd, Logger: hclog.NewNullLogger(),
		})
		client, err := c.Client()
		must(err)
		must(client.Ping())
		_, err = client.Dispense(wire.ServiceName)
		must(err)
		return func() {
			_ = cmd.Process.Kill()
			c.Kill()
		}
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// benchTB lets helpers of tests be used outside of one.
type benchTB struct{ testing.TB }

func (benchTB) Helper()           {}
func (benchTB) Fatal(args ...any) { must(fmt.Errorf("%v", args)) }

func rssOf() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if kb, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(kb)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

func fileCount() int {
	entries, _ := os.ReadDir("/proc/self/fd")
	return len(entries)
}

func cpuOf() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
