package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
)

// Diagnostic is one problem in the form that tools read.
type Diagnostic struct {
	Severity  string `json:"severity"` // "error" or "warning"
	Summary   string `json:"summary"`  // one line, complete by itself
	Detail    string `json:"detail,omitempty"`
	Hint      string `json:"hint,omitempty"` // what to do about it
	Task      string `json:"task,omitempty"` // the task concerned, if it is one
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"` // from 1
	Column    int    `json:"column,omitempty"`
	EndLine   int    `json:"end_line,omitempty"`
	EndColumn int    `json:"end_column,omitempty"` // behind the last character
	Snippet   string `json:"snippet,omitempty"`    // the source line, secrets hidden
}

// note is what a diagnostic carries beside HCL's own fields.
type note struct {
	hint string
	task string
}

// Diagnostics converts what Load returned for tools, in the same order.
func Diagnostics(diags hcl.Diagnostics, sources Sources) []Diagnostic {
	out := make([]Diagnostic, 0, len(diags))
	for _, d := range diags {
		out = append(out, describe(d, sources))
	}
	return out
}

func describe(d *hcl.Diagnostic, sources Sources) Diagnostic {
	extra, _ := d.Extra.(note)
	one := Diagnostic{
		Severity: "error",
		Summary:  sources.hide(d.Summary),
		Detail:   sources.hide(d.Detail),
		Hint:     sources.hide(extra.hint),
		Task:     extra.task,
	}
	if d.Severity == hcl.DiagWarning {
		one.Severity = "warning"
	}
	if d.Subject != nil {
		one.File = d.Subject.Filename
		one.Line, one.Column = d.Subject.Start.Line, d.Subject.Start.Column
		one.EndLine, one.EndColumn = d.Subject.End.Line, d.Subject.End.Column
		one.Snippet, _ = sources.line(one.File, one.Line)
		one.Snippet = sources.hide(one.Snippet)
	}
	return one
}

// findings collects the diagnostics of one Load. Copies share the list; each
// may speak of a task of its own.
type findings struct {
	list  *hcl.Diagnostics
	task  string
	names map[hcl.Range]bool // uses of names that are known not to be there
}

// of returns findings that name the task.
func (f findings) of(task string) findings { return findings{f.list, task, f.names} }

// errorf reports an error; hint may be empty.
func (f findings) errorf(at hcl.Range, hint, format string, args ...any) {
	f.add(hcl.DiagError, at, hint, fmt.Sprintf(format, args...))
}

// warnf reports a warning; hint may be empty.
func (f findings) warnf(at hcl.Range, hint, format string, args ...any) {
	f.add(hcl.DiagWarning, at, hint, fmt.Sprintf(format, args...))
}

func (f findings) add(severity hcl.DiagnosticSeverity, at hcl.Range, hint, text string) {
	d := &hcl.Diagnostic{Severity: severity, Summary: text, Extra: note{hint: hint, task: f.task}}
	if at.Filename != "" {
		d.Subject = &at
	}
	*f.list = append(*f.list, d)
}

// foreign takes over diagnostics that HCL made. Where its summary only names a
// class of problems, the first sentence of its detail takes the summary's place.
func (f findings) foreign(diags hcl.Diagnostics) {
	for _, d := range diags {
		copied := *d
		// Expression and context would let a printer show values.
		copied.Expression, copied.EvalContext = nil, nil
		switch d.Summary {
		case "Incorrect attribute value type", "Missing required argument", "Invalid value",
			"Error in function call", "Unsuitable value type", "Unknown variable", "Invalid expression",
			"Call to unknown function", "Unsupported attribute", "Invalid index", "Invalid function argument":
			copied.Summary, copied.Detail = sentence(d.Detail)
		}
		if f.names[subject(d)] && d.Summary == "Unsupported attribute" {
			continue // reported with a near name
		}
		extra := note{task: f.task, hint: hintFor(d)}
		if block, labels, ok := wrongLabels(d.Summary); ok { // HCL's words count labels
			copied.Detail, extra.hint = "", fmt.Sprintf("write %s %s{ … }", block, labels)
			if strings.HasPrefix(d.Detail, "No labels") {
				extra.hint = fmt.Sprintf("write %s { … }", block)
			}
		}
		if rest, ok := strings.CutPrefix(copied.Summary, `Inappropriate value for attribute "`); ok {
			copied.Summary = strings.Replace(rest, `":`, ":", 1)
		}
		if line, rest, more := strings.Cut(copied.Summary, "\n"); more {
			copied.Summary, copied.Detail = line, strings.TrimSpace(rest+"\n"+copied.Detail)
		}
		copied.Summary = lowerFirst(strings.TrimRight(copied.Summary, ".:"))
		if strings.HasSuffix(copied.Detail, "..") { // HCL puts one behind a text that has one
			copied.Detail = strings.TrimSuffix(copied.Detail, ".")
		}
		copied.Extra = extra
		*f.list = append(*f.list, &copied)
	}
}

// hintFor is what to do about a diagnostic that HCL made, where that can be told.
func hintFor(d *hcl.Diagnostic) string {
	switch d.Summary {
	case unknownVariable:
		name := clip(quotedName(d.Detail))
		if name == "each" {
			return "each.key and each.value are there in a task with for_each or instances"
		}
		return fmt.Sprintf("a text stands in quotes, variables are var.NAME and local.NAME, and ${%s} for a shell is written $${%s}", name, name)
	case "Invalid template control keyword":
		return "%{ that belongs to the text is written %%{"
	}
	return ""
}

// wrongLabels recognises HCL's words for a block without its label, or with one too many,
// and gives the block with the label that it has to have.
func wrongLabels(summary string) (block, label string, ok bool) {
	if block, ok = strings.CutPrefix(summary, "Extraneous label for "); ok {
		return block, `"name" `, true
	}
	rest, ok := strings.CutPrefix(summary, "Missing ")
	label, block, found := strings.Cut(rest, " for ")
	return block, strconv.Quote(label) + " ", ok && found && !strings.Contains(label+block, " ")
}

// sentence splits off the first sentence of a text.
func sentence(text string) (first, rest string) {
	first, rest, _ = strings.Cut(text, ". ")
	return first, rest
}

// lowerFirst begins a text with a small letter, unless it begins with an
// abbreviation.
func lowerFirst(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	second, _ := utf8.DecodeRuneInString(text[size:])
	if unicode.IsUpper(second) {
		return text
	}
	return string(unicode.ToLower(first)) + text[size:]
}

// failed reports whether an error was found so far.
func (f findings) failed() bool { return f.list.HasErrors() }

// sorted returns the diagnostics in source order, repetitions dropped: one
// expression may be evaluated for many instances.
func (f findings) sorted() hcl.Diagnostics {
	list := slices.Clone(*f.list)
	slices.SortStableFunc(list, func(a, b *hcl.Diagnostic) int {
		x, y := subject(a), subject(b)
		if c := strings.Compare(x.Filename, y.Filename); c != 0 {
			return c
		}
		if c := x.Start.Byte - y.Start.Byte; c != 0 {
			return c
		}
		return strings.Compare(a.Summary, b.Summary)
	})
	return slices.CompactFunc(list, func(a, b *hcl.Diagnostic) bool {
		return subject(a) == subject(b) && a.Severity == b.Severity && a.Summary == b.Summary && a.Detail == b.Detail
	})
}

func subject(d *hcl.Diagnostic) hcl.Range {
	if d.Subject == nil {
		return hcl.Range{}
	}
	return *d.Subject
}
