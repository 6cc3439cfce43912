package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// exits says what each exit code means.
var exits = []struct {
	code    int
	meaning string
}{
	{ExitOK, "it is done; a run that was waited for has succeeded"},
	{ExitFailed, "the operation failed, a run that was waited for did not succeed, or a configuration has errors"},
	{ExitUsage, "the command line, or what it asks for, is wrong; a message is refused for what it is; with plan -detailed-exitcode: something would change"},
	{ExitNotFound, "there is no such task, run, plugin, queue, dead letter or generation, or a selection matches nothing"},
	{ExitConflict, "something is in the way, or has changed meanwhile; a queue is full"},
	{ExitAuth, "the host does not let the caller do it"},
	{ExitUnreachable, "no host answers; with notify: this is no command of a task"},
	{ExitWait, "the wait ran out; what was asked for goes on"},
}

// Markdown is the reference of the command line as a document: the global flags, a section per
// command, then the exit codes.
func Markdown() string {
	var out strings.Builder
	root := (&app{}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	fmt.Fprintf(&out, "## Flags of every command\n\n")
	flagTable(&out, root.PersistentFlags())
	document(&out, root)
	out.WriteString("\n## Exit codes\n\n| code | meaning |\n|---|---|\n")
	for _, e := range exits {
		fmt.Fprintf(&out, "| %d | %s |\n", e.code, e.meaning)
	}
	return out.String()
}

// valueWords say what a flag takes where its Go type is not the word for people.
var valueWords = map[string]string{
	"bool": "", "int": "number", "uint64": "number",
	"stringArray": "string, repeatable", "stringSlice": "string, comma separated",
}

// document writes the commands below c, in the order of their names, each followed by its own.
func document(out *strings.Builder, c *cobra.Command) {
	below := slices.Clone(c.Commands())
	slices.SortFunc(below, func(a, b *cobra.Command) int { return strings.Compare(a.Name(), b.Name()) })
	for _, sub := range below {
		depth := "##"
		if c.HasParent() {
			depth = "###"
		}
		if sub.Hidden {
			continue
		}
		fmt.Fprintf(out, "\n%s `%s`\n\n%s.\n", depth, sub.CommandPath(), strings.TrimRight(sub.Short, "."))
		if !sub.HasSubCommands() {
			fmt.Fprintf(out, "\n    %s\n", singleDash(sub.UseLine()))
		}
		if sub.Example != "" {
			fmt.Fprintf(out, "\nFor example:\n\n%s\n", strings.TrimRight(sub.Example, "\n"))
		}
		if sub.HasAvailableLocalFlags() {
			out.WriteByte('\n')
			flagTable(out, sub.LocalFlags())
		}
		document(out, sub)
	}
}

func flagTable(out *strings.Builder, flags *pflag.FlagSet) {
	header := "| flag | value | default | |\n|---|---|---|---|\n"
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		out.WriteString(header)
		header = ""
		name := "`-" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		value := valueWords[f.Value.Type()]
		if value == "" && f.Value.Type() != "bool" {
			value = f.Value.Type()
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
			def = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", name, value, def, strings.ReplaceAll(f.Usage, "|", "\\|"))
	})
}

// Check says what is wrong with a command line (without the program's name), without carrying it
// out: an unknown command or flag, a flag's value, too few or too many arguments.
func Check(args []string) error {
	root := (&app{Terminal: OSTerminal()}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	c, rest, err := root.Find(normalize(root, args))
	if err != nil {
		return err
	}
	if err := c.ParseFlags(rest); err != nil {
		return flagError(c, err)
	}
	return c.ValidateArgs(c.Flags().Args())
}
