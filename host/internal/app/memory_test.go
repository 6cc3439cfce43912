package app

import "testing"

func TestASmallHeapGrowsBySomeMegabytesAndALargeOneByHalf(t *testing.T) {
	t.Parallel()
	for used, want := range map[uint64]int{
		0:         mostGrowth,
		1 << 20:   mostGrowth,
		8 << 20:   200,
		16 << 20:  100,
		32 << 20:  usualGrowth,
		200 << 20: usualGrowth,
	} {
		if got := growth(used); got != want {
			t.Errorf("with %d bytes in use: %d %%, not %d", used, got, want)
		}
	}
}
