package imports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Output says what goes into the file beside the tasks.
type Output struct {
	Heading []string // lines of comment at the beginning
	Notes   bool     // the notes as comments at the end
	Flat    bool     // no defaults block: every task says all itself
}

// Write makes HCL of what was found: canonical, with what most tasks have in common in a defaults block.
func Write(f *Found, o Output) []byte {
	w := &writer{}
	w.comment(o.Heading)
	w.blank()
	common := &Task{}
	if len(f.Tasks) > 1 && !o.Flat {
		common = factor(f.Tasks)
		w.defaults(common)
	}
	file := ""
	for _, t := range f.Tasks {
		if t.At.File != file && manyFiles(f.Tasks) {
			file = t.At.File
			w.comment([]string{"From " + file + "."})
			w.blank()
		}
		w.task(t, common)
	}
	w.mails(f)
	w.comment(f.Comments)
	if o.Notes && len(f.Notes) > 0 {
		w.blank()
		w.comment([]string{"What to know of this import, and what has no equivalent:"})
		for _, n := range f.Notes {
			w.comment([]string{"  " + n.String()})
		}
	}
	return hclwrite.Format([]byte(strings.TrimRight(w.b.String(), "\n") + "\n"))
}

func manyFiles(tasks []*Task) bool {
	return slices.ContainsFunc(tasks, func(t *Task) bool { return t.At.File != tasks[0].At.File })
}

type writer struct{ b strings.Builder }

func (w *writer) line(format string, args ...any) { fmt.Fprintf(&w.b, format+"\n", args...) }

// blank makes sure that a blank line stands here, unless it is the beginning.
func (w *writer) blank() {
	if text := w.b.String(); text != "" && !strings.HasSuffix(text, "\n\n") && !strings.HasSuffix(text, "{\n") {
		w.b.WriteByte('\n')
	}
}

// comment writes lines as comments; "" is a blank line between them.
func (w *writer) comment(lines []string) {
	for _, l := range lines {
		if l == "" {
			w.blank()
			continue
		}
		w.line("# %s", printable(l))
	}
}

// printable leaves out of a comment what would end it, or reach a terminal as more than text.
func printable(text string) string {
	return strings.TrimRight(strings.Map(func(r rune) rune {
		if r == '\t' {
			return ' '
		}
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "?")), " ")
}

func (w *writer) defaults(common *Task) {
	if len(common.paths) == 0 {
		return
	}
	w.line("defaults {")
	w.body(common, "", func(string) bool { return true }, "")
	w.line("}")
	w.blank()
}

// task writes one task; what its defaults say already is left out.
func (w *writer) task(t *Task, common *Task) {
	w.comment(t.Comments)
	w.line("task %s {", String(t.Name))
	w.body(t, "", func(path string) bool { return common.values[path] != t.values[path] }, t.Mode)
	w.line("}")
	w.blank()
}

// order is that of attributes and blocks in a task; what is not in here comes before config, as it was set.
var order = []string{"description", "plugin", "enabled", "instances", "user", "labels", "env", "timeout", "depends_on", "limits", "periodic", "continuous", "on_demand", "stop", "", "config"}

func rank(name string) int {
	if i := slices.Index(order, name); i >= 0 {
		return i
	}
	return slices.Index(order, "")
}

// body writes the attributes below a prefix, then the blocks.
func (w *writer) body(t *Task, prefix string, keep func(path string) bool, mode Mode) {
	var attrs, blocks []string
	for _, path := range t.paths {
		rest, below := strings.CutPrefix(path, prefix)
		if !below || !keep(path) {
			continue
		}
		name, _, inner := strings.Cut(rest, ".")
		if !inner {
			attrs = append(attrs, name)
		} else if !slices.Contains(blocks, name) {
			blocks = append(blocks, name)
		}
	}
	if mode != "" && !slices.Contains(blocks, string(mode)) {
		blocks = append(blocks, string(mode))
	}
	byRank := func(a, b string) int { return cmp.Compare(rank(a), rank(b)) }
	if prefix == "" {
		slices.SortStableFunc(attrs, byRank)
		slices.SortStableFunc(blocks, byRank)
	}
	for _, name := range attrs {
		w.line("%s = %s", name, t.values[prefix+name])
	}
	for _, name := range blocks {
		w.blank()
		at := w.b.Len()
		w.line("%s {", name)
		inner := w.b.Len()
		w.body(t, prefix+name+".", keep, "")
		if w.b.Len() == inner {
			text := w.b.String()[:at]
			w.b.Reset()
			w.b.WriteString(text)
			w.line("%s {}", name)
			continue
		}
		w.line("}")
	}
}

// Where mail goes when nothing else is known: the machine's own mail server.
const (
	mailServer = "localhost:25"
	mailHost   = "localhost"
)

// mails writes a notify block for each set of receivers.
func (w *writer) mails(f *Found) {
	for i, m := range f.Mails {
		name := "mail"
		if i > 0 {
			name = fmt.Sprintf("mail_%d", i+1)
		}
		w.line("notify %s {", String(name))
		w.line(`on = ["failed", "recovered"]`)
		if len(m.Tasks) < len(f.Tasks) {
			names := make([]string, len(m.Tasks))
			for i, t := range m.Tasks {
				names[i] = t.Name
			}
			w.line("tasks = %s", Strings(names))
		}
		w.blank()
		w.line("email {")
		w.line("server = %s", String(mailServer))
		w.line(`tls = "none"`)
		w.line("from = %s", String(Address(cmp.Or(m.From, "taskhost"))))
		to := make([]string, len(m.To))
		for i, a := range m.To {
			to[i] = Address(a)
		}
		w.line("to = %s", Strings(to))
		w.line("}")
		w.line("}")
		w.blank()
	}
}

// Address makes the name of a local account an address.
func Address(text string) string {
	if strings.Contains(text, "@") {
		return text
	}
	return text + "@" + mailHost
}
