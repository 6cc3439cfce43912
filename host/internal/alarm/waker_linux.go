package alarm

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerfd is a timer of the kernel as a descriptor, which the runtime's poller waits for.
type timerfd struct {
	file *os.File
	conn syscall.RawConn
}

func newWaker() waker {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newRuntimeWaker() // less exact, and no reason not to work
	}
	file := os.NewFile(uintptr(fd), "timerfd")
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return newRuntimeWaker()
	}
	return &timerfd{file: file, conn: conn}
}

// run never reads the descriptor: the poller tells of every expiry, read or not, and arming
// anew forgets the last one. That saves two system calls each time.
func (t *timerfd) run(ring func()) {
	_ = t.conn.Read(func(uintptr) bool {
		ring()
		return false // wait for the next; the end is that of the file
	})
}

func (t *timerfd) arm(d time.Duration) {
	// An error means that it is closed. What is armed cannot be wrong: d is positive.
	_ = t.conn.Control(func(fd uintptr) {
		_ = unix.TimerfdSettime(int(fd), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
	})
}

func (t *timerfd) close() { _ = t.file.Close() }
