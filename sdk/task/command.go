package task

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/taskhost/taskhost/sdk/internal/configfile"
	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

// Exit codes of the command line.
const (
	exitOK     = 0
	exitFailed = 1 // the config has problems, the run failed
	exitUsage  = 2
)

// command is a plugin binary that a person, or `taskhost validate`, has started.
type command struct {
	description wire.Description
	types       []session.Type
	args        []string
	in          io.Reader
	out, err    io.Writer
	environment func(string) (string, bool)
}

// verbs lists the subcommands in the order of the help text.
var verbs = []struct {
	name, usage, help string
	run               func(*command, []string) int
}{
	{"describe", "", "print what this plugin serves, as JSON", (*command).describe},
	{"validate", "-c FILE [-type T]", "check the content of a task's config block", (*command).validate},
	{"run", "-once -c FILE [-type T] [-input JSON] [-timeout D]", "run a type once, here, without a host; a consumer takes messages from stdin", (*command).runOnce},
	{"version", "", "print the version", (*command).version},
}

func (c *command) run() int {
	if len(c.args) == 0 {
		c.help(c.err)
		return exitUsage
	}
	name := strings.TrimLeft(c.args[0], "-")
	if name == "help" || name == "h" {
		c.help(c.out)
		return exitOK
	}
	var names []string
	for _, v := range verbs {
		if v.name == name {
			return v.run(c, c.args[1:])
		}
		names = append(names, v.name)
	}
	text := fmt.Sprintf("%s has no command %q", c.description.Plugin, c.args[0])
	if near, ok := schema.Nearest(name, names); ok {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	fmt.Fprintln(c.err, text)
	c.help(c.err)
	return exitUsage
}

func (c *command) help(out io.Writer) {
	d := c.description
	fmt.Fprintf(out, "%s %s is a plugin of taskhost: a host starts it and gives it tasks.\n", d.Plugin, d.Version)
	if d.Doc != "" {
		fmt.Fprintln(out, d.Doc)
	}
	fmt.Fprintln(out, "\nTypes:")
	for _, t := range d.Types {
		fmt.Fprintf(out, "  %-12s %s\n", t.Name, strings.TrimSpace(fmt.Sprintf("(%s) %s", strings.Join(t.Modes, ", "), t.Doc)))
	}
	fmt.Fprint(out, "\nUse it in a task:\n")
	fmt.Fprintf(out, "  task \"name\" {\n    plugin = %q\n    type   = %q\n    config { … }\n  }\n", d.Plugin, d.Types[0].Name)
	fmt.Fprint(out, "\nBy itself it knows these commands (-word and --word are the same):\n")
	for _, v := range verbs {
		fmt.Fprintf(out, "  %-60s %s\n", strings.TrimSpace(v.name+" "+v.usage), v.help)
	}
}

func (c *command) version(args []string) int {
	if !c.noArgs("version", args) {
		return exitUsage
	}
	fmt.Fprintf(c.out, "%s %s (protocol %d)\n", c.description.Plugin, c.description.Version, c.description.Protocol)
	return exitOK
}

func (c *command) describe(args []string) int {
	f := c.flags("describe")
	audit := f.Bool("audit", false, "print what is open before Serve instead, for tests")
	if !c.parse(f, args) {
		return exitUsage
	}
	if *audit {
		return c.audit()
	}
	text, err := session.Describe(c.description)
	if err == nil {
		_, err = c.out.Write(text)
	}
	if err != nil {
		return c.fail(fmt.Errorf("cannot describe: %w", err))
	}
	return exitOK
}

// fail prints an error, for which no better place is known, and is the exit code.
func (c *command) fail(err error) int {
	fmt.Fprintf(c.err, "%s: %v\n", c.description.Plugin, err)
	return exitFailed
}

// flags makes the flag set of a verb; parse it with c.parse.
func (c *command) flags(verb string) *flag.FlagSet {
	f := flag.NewFlagSet(c.description.Plugin+" "+verb, flag.ContinueOnError)
	f.SetOutput(c.err)
	return f
}

func (c *command) parse(f *flag.FlagSet, args []string) bool {
	if f.Parse(args) != nil {
		return false
	}
	if f.NArg() > 0 {
		fmt.Fprintf(c.err, "%s: unexpected argument %q\n", f.Name(), f.Arg(0))
		return false
	}
	return true
}

func (c *command) noArgs(verb string, args []string) bool {
	return c.parse(c.flags(verb), args)
}

// pick finds the type that is meant; the message says which there are.
func (c *command) pick(name string) (*session.Type, bool) {
	if t := typeNamed(c.types, name); t != nil {
		return t, true
	}
	var names []string
	for _, t := range c.types {
		names = append(names, t.Description.Name)
	}
	if name == "" {
		fmt.Fprintf(c.err, "%s: name one of the types with -type: %s\n", c.description.Plugin, strings.Join(names, ", "))
		return nil, false
	}
	text := fmt.Sprintf("%s has no type %q", c.description.Plugin, name)
	if near, ok := schema.Nearest(name, names); ok {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	fmt.Fprintf(c.err, "%s (types: %s)\n", text, strings.Join(names, ", "))
	return nil, false
}

// validate checks a config: a file for people, or with -wire msgpack for a host.
func (c *command) validate(args []string) int {
	f := c.flags("validate")
	file := f.String("c", "", "`file` with the content of a task's config block")
	typ := f.String("type", "", "task `type`; may be left out when there is one")
	wired := f.Bool("wire", false, "read msgpack from stdin, print the problems as JSON")
	many := f.Bool("many", false, "with -wire: read a JSON list of configs, each msgpack in base64, and print a list")
	if !c.parse(f, args) {
		return exitUsage
	}
	t, ok := c.pick(*typ)
	if !ok {
		return exitUsage
	}
	if *wired {
		return c.validateWire(t, *many)
	}
	if *file == "" {
		fmt.Fprintln(c.err, "validate: name a file with -c")
		return exitUsage
	}
	config := configfile.Load(t.Description.Config, t.Problems, *file, c.environment)
	config.Print(c.err)
	if config.Msgpack == nil {
		return exitFailed
	}
	fmt.Fprintf(c.out, "%s is a valid config of type %s\n", *file, t.Description.Name)
	return exitOK
}

// maxConfig bounds a config that is read, in bytes.
const maxConfig = wire.MaxMessage

// maxConfigs bounds a list of configs that is read, in bytes.
const maxConfigs = 4 * maxConfig

// problems is the answer for one config.
type problems struct {
	Problems []schema.Problem `json:"problems"`
}

// validateWire checks one config, or with many a list of them: a host that checks hundreds starts
// the plugin a few times only.
func (c *command) validateWire(t *session.Type, many bool) int {
	most := maxConfig
	if many {
		most = maxConfigs
	}
	data, err := io.ReadAll(io.LimitReader(c.in, int64(most)+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("it has more than %s", schema.FormatBytes(int64(most)))
	}
	configs := [][]byte{data}
	if err == nil && many {
		err = json.Unmarshal(data, &configs)
	}
	if err != nil {
		return c.fail(fmt.Errorf("cannot read the config from stdin: %w", err))
	}
	answers := make([]problems, 0, len(configs))
	for _, config := range configs {
		_, found, err := t.Check(config)
		if err != nil {
			return c.fail(fmt.Errorf("cannot check the config: %w", err))
		}
		if found == nil {
			found = []schema.Problem{}
		}
		answers = append(answers, problems{found})
	}
	var answer any = answers
	if !many {
		answer = answers[0]
	}
	if err := json.NewEncoder(c.out).Encode(answer); err != nil {
		return c.fail(fmt.Errorf("cannot print the problems: %w", err))
	}
	return exitOK
}
