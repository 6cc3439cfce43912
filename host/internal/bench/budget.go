package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// A budget is one line of the table: what was measured, what it is held against, and what is allowed.
type budget struct {
	row      int
	name     string
	measured quantity
	floor    quantity // 0: there is none
	ratio    float64  // the most that measured may be of floor; 0: any
	limit    quantity // the most that measured may be; 0: any
	atLeast  bool     // ratio and limit are the least, not the most: of rates
	note     string   // what a reader must know of this line
}

// quantity is a time in seconds, a memory in bytes, a share of one processor or a rate per second.
type quantity struct {
	value float64
	unit  unit
}

type unit int

const (
	inSeconds unit = iota
	inBytes
	inProcessors
	perSecond
)

func timeOf(d time.Duration) quantity { return quantity{d.Seconds(), inSeconds} }

func rateOf(count int, d time.Duration) quantity {
	return quantity{float64(count) / d.Seconds(), perSecond}
}

func (q quantity) String() string {
	switch {
	case q.value == 0:
		return "–"
	case q.unit == inBytes:
		return fmt.Sprintf("%.1f MB", q.value/1e6)
	case q.unit == inProcessors:
		return fmt.Sprintf("%.1f %%", 100*q.value)
	case q.unit == perSecond:
		return fmt.Sprintf("%.0f/s", q.value)
	case q.value < 1e-3:
		return fmt.Sprintf("%.0f µs", q.value*1e6)
	case q.value < 1:
		return fmt.Sprintf("%.2f ms", q.value*1e3)
	}
	return fmt.Sprintf("%.2f s", q.value)
}

// of is how many times the floor was measured; 0 without a floor.
func (b budget) of() float64 {
	if b.floor.value == 0 {
		return 0
	}
	return b.measured.value / b.floor.value
}

// target says what is allowed.
func (b budget) target() string {
	sign := "≤ "
	if b.atLeast {
		sign = "≥ "
	}
	var parts []string
	if b.ratio > 0 {
		parts = append(parts, fmt.Sprintf("%s%.4g×", sign, b.ratio))
	}
	if b.limit.value > 0 {
		parts = append(parts, sign+b.limit.String())
	}
	return strings.Join(parts, ", ")
}

// verdict is ok, over or under; "" for a line without a target. What was not measured has missed it.
func (b budget) verdict() string {
	switch {
	case b.ratio == 0 && b.limit.value == 0:
		return ""
	case b.measured.value == 0,
		b.ratio > 0 && (b.floor.value == 0 || b.beyond(b.of(), b.ratio)),
		b.limit.value > 0 && b.beyond(b.measured.value, b.limit.value):
		return b.missed()
	}
	return "ok"
}

func (b budget) beyond(value, bound float64) bool {
	if b.atLeast {
		return value < bound
	}
	return value > bound
}

func (b budget) missed() string {
	if b.atLeast {
		return "under"
	}
	return "over"
}

// write prints the table.
func write(out io.Writer, all []budget) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "row\twhat\tmeasured\tfloor\tratio\ttarget\t\t")
	for _, b := range all {
		ratio := "–"
		if of := b.of(); of > 0 {
			ratio = fmt.Sprintf("%.2f×", of)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.row, b.name, b.measured, b.floor, ratio, b.target(), b.verdict(), b.note)
	}
	return w.Flush()
}
