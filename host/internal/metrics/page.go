package metrics

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// page is a scrape as it is written: families in the order of their table, each with its head before its first sample.
type page struct {
	out   []byte
	fam   *family
	begun bool // the head of fam is written
}

// sample writes one series of the family. Labels are names and values in turn.
func (p *page) sample(value float64, labels ...string) { p.line("", value, labels) }

func (p *page) line(suffix string, value float64, labels []string) {
	if !p.begun {
		p.head()
	}
	out := append(append(p.out, p.fam.name...), suffix...) // not in p: that would tell the garbage collector each time
	for i := 0; i+1 < len(labels); i += 2 {
		out = append(out, "{,"[min(i, 1)])
		out = append(append(out, labels[i]...), '=', '"')
		out = append(appendEscaped(out, labels[i+1]), '"')
	}
	if len(labels) > 0 {
		out = append(out, '}')
	}
	p.out = append(appendNumber(append(out, ' '), value), '\n')
}

func (p *page) head() {
	p.begun = true
	p.out = append(append(append(p.out, "# HELP "...), p.fam.name...), ' ')
	p.out = append(append(p.out, p.fam.help...), "\n# TYPE "...)
	p.out = append(append(append(p.out, p.fam.name...), ' '), p.fam.kind...)
	p.out = append(p.out, '\n')
}

// yes writes 1 or 0.
func (p *page) yes(v bool, labels ...string) {
	if v {
		p.line("", 1, labels)
		return
	}
	p.line("", 0, labels)
}

// when writes a time in seconds since 1970, and nothing for no time.
func (p *page) when(at time.Time, labels ...string) {
	if !at.IsZero() {
		p.line("", float64(at.UnixMilli())/1000, labels)
	}
}

// buckets writes a histogram; nothing while it is empty.
func (p *page) buckets(h *histogram, labels ...string) {
	counts, sum := h.read()
	var total uint64
	for _, n := range counts {
		total += n
	}
	if total == 0 {
		return
	}
	with := append(append(make([]string, 0, 8), labels...), "le", "")
	var below uint64
	for i, n := range counts {
		below += n
		with[len(with)-1] = "+Inf"
		if i < len(h.texts) {
			with[len(with)-1] = h.texts[i]
		}
		p.line("_bucket", float64(below), with)
	}
	p.line("_sum", sum, labels)
	p.line("_count", float64(total), labels)
}

// appendEscaped writes the value of a label: any UTF-8, with three characters escaped.
func appendEscaped(out []byte, text string) []byte {
	from := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '\\' && c != '"' && c != '\n' {
			continue
		}
		if c == '\n' {
			c = 'n'
		}
		out = append(append(out, text[from:i]...), '\\', c)
		from = i + 1
	}
	return append(out, text[from:]...)
}

func appendNumber(out []byte, v float64) []byte {
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		return strconv.AppendInt(out, int64(v), 10)
	}
	if a := math.Abs(v); a > 1e-5 && a < 1e15 {
		return strconv.AppendFloat(out, v, 'f', -1, 64)
	}
	return strconv.AppendFloat(out, v, 'g', -1, 64)
}

// textOf is a bound of a histogram as its label has it.
func textOf(bound float64) string { return string(appendNumber(nil, bound)) }

// clean is text that may stand in a label: valid UTF-8.
func clean(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
