package hosttest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tracerEnv makes a test binary a tracer, of the process whose pid it holds.
const tracerEnv = "HOSTTEST_TRACE"

// Tracer is a process that traces another one, as a debugger does.
type Tracer struct{ words io.WriteCloser }

// PlayTracer is for TestMain: when the test binary was started by Trace it traces, and then nothing is left to do.
func PlayTracer() (played bool) {
	pid, err := strconv.Atoi(os.Getenv(tracerEnv))
	if err != nil {
		return false
	}
	runtime.LockOSThread() // the thread is the tracer
	if err := unix.PtraceSeize(pid); err != nil {
		fmt.Println("refused:", err)
		return true
	}
	fmt.Println("attached")
	play(pid, readWords())
	return true
}

func readWords() <-chan string {
	words := make(chan string)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			words <- lines.Text()
		}
		close(words)
	}()
	return words
}

// play lets the process go on with whatever signal it gets, until the words end. After one word it looks at it no more.
func play(pid int, words <-chan string) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case _, more := <-words:
			if more {
				<-words
			}
			return
		case <-look.C:
		}
		var status unix.WaitStatus
		if got, err := unix.Wait4(pid, &status, unix.WNOHANG|unix.WALL, nil); err != nil || got != pid || !status.Stopped() {
			continue
		}
		signal := int(status.StopSignal())
		if status>>16 != 0 {
			signal = 0 // a stop of its group, not a signal
		}
		_ = unix.PtraceCont(pid, signal)
	}
}

// Trace attaches to a process, which goes on. The test binary's TestMain calls PlayTracer. The process is let go at the end
// of the test. The test is skipped where the system forbids to trace.
func Trace(t testing.TB, pid int) *Tracer {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), tracerEnv+"="+strconv.Itoa(pid))
	words, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		words.Close()
		_ = cmd.Wait()
	})
	said, err := bufio.NewReader(out).ReadString('\n')
	if strings.HasPrefix(said, "refused") {
		t.Skipf("this system lets no test trace a process: %s", said)
	}
	if err != nil || said != "attached\n" {
		t.Fatalf("the tracer says %q, %v", said, err)
	}
	return &Tracer{words}
}

// LookAway lets the tracer take note of nothing any more, as a debugger at its prompt. It holds on.
func (tr *Tracer) LookAway(t testing.TB) {
	t.Helper()
	if _, err := io.WriteString(tr.words, "look away\n"); err != nil {
		t.Fatal(err)
	}
}

// LetGo ends the tracing.
func (tr *Tracer) LetGo() { tr.words.Close() }

// Traced reports whether somebody traces a process.
func Traced(pid int) bool {
	status, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return bytes.Contains(status, []byte("\nTracerPid:")) && !bytes.Contains(status, []byte("\nTracerPid:\t0\n"))
}
