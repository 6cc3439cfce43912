package task

import "testing"

func TestATraceParentIsThatOfTheStandard(t *testing.T) {
	t.Parallel()
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	if !ValidTraceParent(good) {
		t.Errorf("%s is refused", good)
	}
	for _, bad := range []string{
		"", "x", good[:54], good + "0", "01" + good[2:], "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
		"00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e473\n-00f067aa0ba902b7-01",
	} {
		if ValidTraceParent(bad) {
			t.Errorf("%q is taken", bad)
		}
	}
}
