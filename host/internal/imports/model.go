package imports

import (
	"fmt"
	"slices"
)

// File is one file to import.
type File struct {
	Name string
	Text string
}

// Place is where something stands.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"` // from 1; 0 is the file as a whole
}

func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Kind says what a note is about.
type Kind string

const (
	Broken  Kind = "broken"  // could not be read, and is left out
	Skipped Kind = "skipped" // has no equivalent, and is left out
	Differs Kind = "differs" // is done in another way, or needs a look
	Renamed Kind = "renamed" // has another name than one would expect
)

// Note is something that a person has to know of an import.
type Note struct {
	Place
	Kind Kind   `json:"kind"`
	Text string `json:"text"`
}

func (n Note) String() string { return n.Place.String() + ": " + n.Text }

// Found is what files came to.
type Found struct {
	Tasks    []*Task
	Mails    []Mail
	Notes    []Note
	Comments []string // that stand behind the last task
	names    map[string]Place
}

// Note adds a note. What was said already is not said again.
func (f *Found) Note(at Place, kind Kind, format string, args ...any) {
	n := Note{at, kind, fmt.Sprintf(format, args...)}
	if !slices.Contains(f.Notes, n) {
		f.Notes = append(f.Notes, n)
	}
}

// Broken reports whether something could not be read.
func (f *Found) Broken() bool {
	for _, n := range f.Notes {
		if n.Kind == Broken {
			return true
		}
	}
	return false
}

// Add makes a task with a name like the wanted one, which nobody else has.
func (f *Found) Add(wanted string, at Place) *Task {
	t := &Task{Name: f.name(wanted, at), At: at, values: map[string]Value{}}
	f.Tasks = append(f.Tasks, t)
	return t
}

// Mail tells people of failures of tasks.
type Mail struct {
	To    []string
	From  string // "" is not known
	Tasks []*Task
}

// Mode is when a task runs.
type Mode string

const (
	Periodic   Mode = "periodic"
	Continuous Mode = "continuous"
	OnDemand   Mode = "on_demand"
)

// Task is one task of the plugin exec to be.
type Task struct {
	Name     string
	At       Place
	Mode     Mode
	Comments []string // that stand above it, "" is a blank line
	paths    []string
	values   map[string]Value
}

// Set gives an attribute a value. The path is that of the HCL: "periodic.catch_up.policy".
func (t *Task) Set(path string, v Value) {
	if _, there := t.values[path]; !there {
		t.paths = append(t.paths, path)
	}
	t.values[path] = v
}

// Get is the value of an attribute, or "".
func (t *Task) Get(path string) Value { return t.values[path] }
