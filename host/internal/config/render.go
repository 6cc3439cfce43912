package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/apparentlymart/go-textseg/v15/textseg"
	"github.com/hashicorp/hcl/v2"
	"golang.org/x/text/width"
)

// Render writes diagnostics for a person: each with its place, the line of the
// source and the one before, marks under the part that is meant, and what helps;
// then how many there are. With color it uses the terminal's red and yellow.
func Render(w io.Writer, diags hcl.Diagnostics, sources Sources, color bool) error {
	var out bytes.Buffer
	errors, warnings := 0, 0
	for _, d := range diags {
		p := painter{color: color, code: red}
		if d.Severity == hcl.DiagWarning {
			p.code = yellow
			warnings++
		} else {
			errors++
		}
		render(&out, d, sources, p)
	}
	if total := summary(errors, warnings); total != "" {
		fmt.Fprintln(&out, total)
	}
	_, err := w.Write(out.Bytes())
	return err
}

// summary counts in words. Warnings alone stop nothing.
func summary(errors, warnings int) string {
	switch {
	case errors == 0 && warnings == 0:
		return ""
	case errors == 0:
		return count(warnings, "warning")
	case warnings == 0:
		return count(errors, "problem") + "; nothing was started"
	}
	return count(errors, "problem") + " and " + count(warnings, "warning") + "; nothing was started"
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func render(out *bytes.Buffer, d *hcl.Diagnostic, sources Sources, p painter) {
	one := describe(d, sources)
	if one.File != "" {
		fmt.Fprintf(out, "%s:%d:%d: ", one.File, one.Line, one.Column)
	}
	if one.Severity == "warning" {
		out.WriteString(p.paint("warning") + ": ")
	}
	fmt.Fprintln(out, one.Summary)
	if line, ok := sources.line(one.File, one.Line); ok {
		if before, ok := sources.line(one.File, one.Line-1); ok {
			fmt.Fprintf(out, "%5d │ %s\n", one.Line-1, cut(sources.hide(before)))
		}
		shown := sources.hide(line)
		fmt.Fprintf(out, "%5d │ %s\n", one.Line, cut(shown))
		if shown == line && one.EndColumn <= widest { // otherwise the columns do not hold
			lead, marks := carets(line, one)
			fmt.Fprintf(out, "      │ %s%s\n", lead, p.paint(marks))
		}
	}
	for _, text := range []string{one.Detail, one.Hint} {
		for line := range strings.Lines(text) {
			if line = strings.TrimRight(line, "\n"); line != "" {
				fmt.Fprintf(out, "   %s\n", line)
			}
		}
	}
}

// widest is how much of a line of the source is shown.
const widest = 200

// cut shortens a long line at its end.
func cut(line string) string {
	runes := []rune(line)
	if len(runes) <= widest {
		return line
	}
	return string(runes[:widest]) + " …"
}

// carets marks the part of a line that is meant; lead is the space before it,
// with the line's own tabs so that both stand under each other.
func carets(line string, d Diagnostic) (lead, marks string) {
	clusters, _ := textseg.AllTokens([]byte(line), textseg.ScanGraphemeClusters)
	start := min(max(d.Column-1, 0), len(clusters))
	end := len(clusters)
	if d.EndLine == d.Line {
		end = min(d.EndColumn-1, end)
	}
	var space strings.Builder
	for _, c := range clusters[:start] {
		if string(c) == "\t" {
			space.WriteByte('\t')
		} else {
			space.WriteString(strings.Repeat(" ", columns(c)))
		}
	}
	under := 0
	for _, c := range clusters[start:max(start, end)] {
		under += columns(c)
	}
	return space.String(), strings.Repeat("^", max(under, 1))
}

// columns is how many columns of a terminal a character takes.
func columns(cluster []byte) int {
	first, _ := utf8.DecodeRune(cluster)
	switch width.LookupRune(first).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

const (
	red    = "31"
	yellow = "33"
)

// painter colours the parts that catch the eye.
type painter struct {
	color bool
	code  string
}

func (p painter) paint(text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + p.code + "m" + text + "\x1b[0m"
}
