package tasktest

import (
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/internal/solo"
	"github.com/taskhost/taskhost/sdk/task"
)

// lifelineTime is how long a task may drain once its host is gone.
const lifelineTime = time.Second

// process is where author code runs: within the test, or in a subprocess.
type process interface {
	connection() grpc.ClientConnInterface
	// kill ends it without a word. It does not wait.
	kill()
	// orphan makes it believe that its host is gone. It does not wait.
	orphan()
	// close waits until it has ended, and kills it when it does not by itself.
	close() error
}

// memory is a process that is none: its server runs within the test.
type memory struct {
	server *session.Server
	link   *solo.Memory
}

func startMemory(typ task.Type, log *logs) (*memory, error) {
	d, types, err := task.Plugin{Name: "test", Types: []task.Type{typ}}.Build()
	if err != nil {
		return nil, err
	}
	server, err := session.New(d, types, session.Log{Output: log})
	if err != nil {
		return nil, err
	}
	link, err := solo.Serve(server)
	if err != nil {
		return nil, fmt.Errorf("serve in memory: %w", err)
	}
	return &memory{server, link}, nil
}

func (m *memory) connection() grpc.ClientConnInterface { return m.link.Conn }

// kill cannot end goroutines, so it cuts them off: their contexts end, and nothing
// that they send arrives.
func (m *memory) kill() { m.server.Abandon() }

// orphan does what a process does when its lifeline ends.
func (m *memory) orphan() {
	m.server.Drain(lifelineTime, "the host is gone")
	time.AfterFunc(lifelineTime, m.server.Abandon)
}

func (m *memory) close() error {
	m.server.Abandon()
	<-m.server.Done()
	m.link.Close()
	return nil
}
