package scaffold

import (
	"bytes"
	"fmt"
	"go/format"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Forms are those of plugins that there is a scaffold for.
var Forms = []string{"periodic", "job", "continuous", "loop", "consumer"}

// PluginOptions say what the module of a plugin is made from.
type PluginOptions struct {
	Name    string // of the plugin, its type and its task
	Form    string
	Module  string // "" is the name
	Go      string // version for go.mod: 1.26.0
	Version string // of the SDK: 0.1.0
	Replace string // directory of the SDK in place of that version; "" is none
}

// pluginData is what the templates see.
type pluginData struct {
	PluginOptions
	What string
	Try  string // what to do with a running host
}

var (
	pluginName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
	modulePath = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~/-]*$`)
)

var what = map[string]string{
	"periodic":   "a piece of work for every slot of a schedule",
	"job":        "a piece of work with a typed input and result",
	"continuous": "something that goes on until it is stopped",
	"loop":       "one step, again and again",
	"consumer":   "it handles the messages of a queue",
}

// try is what to do while `make run` is at work.
func try(form, name string) string {
	switch form {
	case "job":
		return "While the host runs, `taskhost task run " + name + " -input '{\"name\":\"you\"}' -wait` asks for a run and prints its result.\n"
	case "consumer":
		return "While the host runs, `taskhost queue post " + name + " '{\"name\":\"you\"}'` gives it a message.\n"
	}
	return "While the host runs, `taskhost status` shows the task, `taskhost logs " + name + "` what it says.\n"
}

// Plugin is a module with a plugin of the form: its files by their paths inside it.
func Plugin(o PluginOptions) (map[string][]byte, error) {
	switch {
	case !pluginName.MatchString(o.Name):
		return nil, fmt.Errorf("%q cannot be the name of a plugin: it has at most 63 characters, small letters, digits, - and _, beginning with a letter", o.Name)
	case !slices.Contains(Forms, o.Form):
		return nil, fmt.Errorf("there is no form %q of plugins; there are: %s", o.Form, strings.Join(Forms, ", "))
	case o.Module == "":
		o.Module = o.Name
	}
	if !modulePath.MatchString(o.Module) || strings.Contains(o.Module, "//") || strings.HasSuffix(o.Module, "/") {
		return nil, fmt.Errorf("%q cannot be the path of a module", o.Module)
	}
	if strings.ContainsAny(o.Replace, "\"\n\r\t `") {
		return nil, fmt.Errorf("the path %q cannot stand in go.mod: move the module to a place without blanks", o.Replace)
	}
	data := pluginData{PluginOptions: o, What: what[o.Form], Try: try(o.Form, o.Name)}
	files := map[string][]byte{}
	for path, name := range map[string]string{
		"go.mod": "go.mod.tmpl", ".gitignore": "gitignore.tmpl", "Makefile": "Makefile.tmpl", "README.md": "README.md.tmpl", o.Name + ".hcl": "task.hcl.tmpl",
		"main.go": "main_" + o.Form + ".go.tmpl", "main_test.go": "main_" + o.Form + "_test.go.tmpl",
	} {
		var out bytes.Buffer
		if err := templates.ExecuteTemplate(&out, name, data); err != nil {
			return nil, err
		}
		text := out.Bytes()
		switch {
		case strings.HasSuffix(path, ".go"):
			var err error
			if text, err = format.Source(text); err != nil {
				return nil, fmt.Errorf("format %s: %w", path, err)
			}
		case strings.HasSuffix(path, ".hcl"):
			text = hclwrite.Format(text)
		}
		files[path] = text
	}
	return files, nil
}
