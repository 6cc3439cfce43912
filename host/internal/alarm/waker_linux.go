package alarm

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timerfd is a timer of the kernel as a descriptor, which the runtime's poller waits for.
type timerfd struct{ file *os.File }

func newWaker() waker {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return newRuntimeWaker() // less exact, and no reason not to work
	}
	return &timerfd{file: os.NewFile(uintptr(fd), "timerfd")}
}

func (t *timerfd) arm(d time.Duration) {
	conn, err := t.file.SyscallConn()
	if err != nil {
		return
	}
	// An error means that it is closed. What is armed cannot be wrong: d is positive.
	_ = conn.Control(func(fd uintptr) {
		_ = unix.TimerfdSettime(int(fd), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
	})
}

func (t *timerfd) wait() bool {
	var count [8]byte
	_, err := t.file.Read(count[:])
	return err == nil
}

func (t *timerfd) close() { _ = t.file.Close() }
