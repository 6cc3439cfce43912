package cli

import (
	"fmt"
	"slices"
	"strings"
)

const diffContext = 3

// lineDiff shows how old becomes now: changed lines with their surroundings, "" when nothing changes.
func lineDiff(name, old, now string) string {
	edits := edit(slices.Collect(strings.Lines(old)), slices.Collect(strings.Lines(now)))
	near := make([]bool, len(edits))
	changed := false
	for i, e := range edits {
		if e[0] == ' ' {
			continue
		}
		changed = true
		for j := max(i-diffContext, 0); j < min(i+diffContext+1, len(edits)); j++ {
			near[j] = true
		}
	}
	if !changed {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "--- %s\n+++ %s, formatted\n", name, name)
	for i, e := range edits {
		if near[i] && (i == 0 || !near[i-1]) {
			b.WriteString("@@\n")
		}
		if near[i] {
			b.WriteString(strings.TrimSuffix(e, "\n") + "\n")
		}
	}
	return b.String()
}

// edit turns a into b by the longest common subsequence of their lines: each line with ' ', '-' or '+'
// before it. Equal beginnings and ends are passed over first, so that what remains is small.
func edit(a, b []string) []string {
	var head, tail []string
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head, a, b = append(head, " "+a[0]), a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail, a, b = append(tail, " "+a[len(a)-1]), a[:len(a)-1], b[:len(b)-1]
	}
	common := make([][]int, len(a)+1) // common[i][j]: of a[i:] and b[j:]
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	out := head
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out, i, j = append(out, " "+a[i]), i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out, i = append(out, "-"+a[i]), i+1
		default:
			out, j = append(out, "+"+b[j]), j+1
		}
	}
	for i := len(tail) - 1; i >= 0; i-- {
		out = append(out, tail[i])
	}
	return out
}
