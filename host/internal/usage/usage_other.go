//go:build !linux

package usage

// Of is known on Linux only.
func Of(int) (Usage, bool) { return Usage{}, false }

func groupOf(int) string { return "" }

func ofGroup(string) (Usage, bool) { return Usage{}, false }
