package app

import "testing"

func TestConnectionsLeaveDescriptorsForTheTasks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit       uint64
		asked, want int
	}{
		{256, 0, 64},
		{1024, 0, 128},
		{4096, 0, 512},
		{65536, 0, 2048},
		{1 << 63, 0, 2048},
		{256, 16, 16},
		{256, 5000, 64},
		{65536, 5000, 5000},
		{65536, 100_000, 16384},
		{1 << 63, 100_000, 100_000},
	} {
		if got := connectionsOf(c.limit, c.asked); got != c.want {
			t.Errorf("with %d descriptors and %d in the file: %d connections, want %d", c.limit, c.asked, got, c.want)
		}
	}
	if descriptorLimit() < 64 {
		t.Errorf("the host may have %d files open", descriptorLimit())
	}
}
