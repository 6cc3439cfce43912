package app

import "testing"

func TestConnectionsLeaveDescriptorsForTheTasks(t *testing.T) {
	t.Parallel()
	for limit, want := range map[uint64]int{256: 64, 1024: 128, 4096: 512, 65536: 2048, 1 << 63: 2048} {
		if got := connectionsOf(limit); got != want {
			t.Errorf("with %d descriptors: %d connections, want %d", limit, got, want)
		}
	}
	if now := connections(); now < leastConnections || now > mostConnections {
		t.Errorf("%d connections here", now)
	}
}
