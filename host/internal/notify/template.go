package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/taskhost/taskhost/sdk/schema"
)

// maxOutput bounds what a template makes, in bytes.
const maxOutput = 256 << 10

var errTooMuch = fmt.Errorf("it makes more than %s", schema.FormatBytes(maxOutput))

// templateFuncs are what templates may call beside comparisons, and, or, not, len, index and slice.
var templateFuncs = template.FuncMap{
	"upper":    strings.ToUpper,
	"lower":    strings.ToLower,
	"join":     func(sep string, texts []string) string { return strings.Join(texts, sep) },
	"json":     jsonText,
	"time":     func(layout string, at time.Time) string { return at.Format(layout) },
	"duration": func(from, to time.Time) string { return schema.FormatDuration(to.Sub(from).Round(time.Second)) },
	"tasks":    taskNames,
}

// builtins are those of text/template that cost no more than what they are given. printf is not among them: the width
// of a verb is a bound that a template would set.
var builtins = []string{"and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge", "len", "index", "slice"}

// jsonText is a value as JSON, which a template can put into JSON of its own.
func jsonText(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

// taskNames are the tasks of items, each once.
func taskNames(items []Item) (names []string) {
	for _, i := range items {
		if !slices.Contains(names, i.Task) {
			names = append(names, i.Task)
		}
	}
	return names
}

// Template is a text/template whose work is bounded by the message that it is given.
type Template struct{ inner *template.Template }

// ParseTemplate reads a template. It refuses what could work without a bound.
func ParseTemplate(text string) (*Template, error) {
	t, err := template.New("template").Option("missingkey=error").Funcs(templateFuncs).Parse(text)
	if err != nil {
		return nil, plain(err)
	}
	if len(t.Templates()) > 1 {
		return nil, errors.New("define and block are not supported: write one template")
	}
	if t.Tree == nil {
		return &Template{t}, nil // it is empty
	}
	if err := bounded(t.Root, 0); err != nil {
		return nil, err
	}
	return &Template{t}, nil
}

// CheckTemplate parses a template and tries it on a message with something in every field.
func CheckTemplate(text string) error {
	t, err := ParseTemplate(text)
	if err != nil {
		return err
	}
	_, err = t.Text(Sample("sample", time.Unix(0, 0).UTC()))
	return err
}

// Text is what the template makes of a message, or of another value that it was written for.
func (t *Template) Text(of any) (string, error) {
	var out limited
	err := t.inner.Execute(&out, of)
	if out.full {
		return "", errTooMuch
	}
	if err != nil {
		return "", plain(err)
	}
	return out.String(), nil
}

// limited is a buffer that takes no more than maxOutput.
type limited struct {
	bytes.Buffer
	full bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxOutput {
		l.full = true
		return 0, errTooMuch
	}
	return l.Buffer.Write(p)
}

// plain takes the name of the template out of an error.
func plain(err error) error {
	return errors.New(strings.TrimPrefix(strings.ReplaceAll(err.Error(), `template: template:`, "line "), "template: "))
}

const maxRanges = 2 // in each other

// bounded walks a template. A range goes through a field of the message, never through a number, and at most
// maxRanges stand in each other.
func bounded(n parse.Node, ranges int) error {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, inner := range n.Nodes {
			if err := bounded(inner, ranges); err != nil {
				return err
			}
		}
	case *parse.ActionNode:
		return bounded(n.Pipe, ranges)
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Cmds {
			for _, arg := range c.Args {
				if err := bounded(arg, ranges); err != nil {
					return err
				}
			}
		}
	case *parse.ChainNode:
		return bounded(n.Node, ranges)
	case *parse.IdentifierNode:
		if _, ours := templateFuncs[n.Ident]; !ours && !slices.Contains(builtins, n.Ident) {
			return fmt.Errorf("the function %s is not supported", n.Ident)
		}
	case *parse.IfNode:
		return branches(&n.BranchNode, ranges)
	case *parse.WithNode:
		return branches(&n.BranchNode, ranges)
	case *parse.RangeNode:
		if !overField(n.Pipe) {
			return errors.New("a range goes through a field, such as .Items")
		}
		if ranges++; ranges > maxRanges {
			return fmt.Errorf("more than %d ranges stand in each other", maxRanges)
		}
		return branches(&n.BranchNode, ranges)
	case *parse.TemplateNode:
		return errors.New("template is not supported: write one template")
	}
	return nil
}

func branches(n *parse.BranchNode, ranges int) error {
	if err := bounded(n.Pipe, ranges); err != nil {
		return err
	}
	if err := bounded(n.List, ranges); err != nil {
		return err
	}
	return bounded(n.ElseList, ranges)
}

// overField reports whether a range goes through a list or map of the message: the numbers in it are small enough to
// be gone through, too, but those that a template writes are not.
func overField(p *parse.PipeNode) bool {
	if len(p.Cmds) != 1 {
		return false
	}
	switch first := p.Cmds[0].Args[0].(type) {
	case *parse.FieldNode, *parse.VariableNode:
		return len(p.Cmds[0].Args) == 1
	case *parse.IdentifierNode:
		return first.Ident == "tasks"
	}
	return false
}
