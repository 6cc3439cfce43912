package process

import (
	"os/exec"
	"runtime"
	"sync"
)

// children are the processes that this package has started and not yet reaped. It is
// one for the whole host, because parenthood is: a process that has the host as its
// parent and is not in here has been adopted.
var children = &registry{pids: map[int]bool{}}

type registry struct {
	mu   sync.RWMutex // held for writing while a child is born, so that no reader sees it unregistered
	pids map[int]bool
}

func (r *registry) remove(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pids, pid)
}

// spawner hands work to the one thread that starts children. The kernel sends the
// parent-death signal when the *thread* that forked ends, so that thread must live as
// long as the host.
var spawner = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go spawnForever(work)
	return work
})

func spawnForever(work <-chan func()) {
	runtime.LockOSThread()
	for f := range work {
		f()
	}
}

// start starts cmd from the spawner thread and registers it as a child. The caller
// must end it with child.reap.
func start(cmd *exec.Cmd) (*child, error) {
	var c *child
	var err error
	done := make(chan struct{})
	spawner() <- func() {
		defer close(done)
		children.mu.Lock()
		defer children.mu.Unlock()
		c, err = startChild(cmd)
		if err == nil {
			children.pids[c.pid] = true
		}
	}
	<-done
	return c, err
}
