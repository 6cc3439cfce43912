package cli

import (
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/taskhost/taskhost/sdk/schema"
)

// normalize lets -word mean --word, everywhere before "--" but where it is the value of a flag; single letters stay what
// they are. A duration that follows -wait belongs to it, although -wait may also stand alone.
func normalize(root *cobra.Command, args []string) []string {
	if word, ok := typed(args); ok {
		before := normalize(root, args[1:len(args)-1])
		return append(append([]string{args[0]}, before...), twoDashes(word))
	}
	var out []string
	for c, i := root, 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(out, args[i:]...)
		}
		c = below(c, arg)
		arg = twoDashes(arg)
		if arg == "--wait" && i+1 < len(args) {
			if _, err := schema.ParseDuration(args[i+1]); err == nil {
				i++
				arg += "=" + args[i]
			}
		}
		if out = append(out, arg); takesNext(c, arg) && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return out
}

// below is the command that a word names, c itself when it names none.
func below(c *cobra.Command, word string) *cobra.Command {
	for _, sub := range c.Commands() {
		if sub.Name() == word || sub.HasAlias(word) {
			return sub
		}
	}
	return c
}

// takesNext reports whether the word is a flag of the command whose value is the word after it.
func takesNext(c *cobra.Command, word string) bool {
	c.InheritedFlags() // are among its flags from then on
	var f *pflag.Flag
	if name, long := strings.CutPrefix(word, "--"); long {
		f = c.Flags().Lookup(name)
	} else if len(word) == 2 && word[0] == '-' {
		f = c.Flags().ShorthandLookup(word[1:])
	}
	return f != nil && f.NoOptDefVal == ""
}

// typed is the word that a person has begun to type, when a shell asks how it may go on.
func typed(args []string) (string, bool) {
	if len(args) < 2 || !strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		return "", false
	}
	return args[len(args)-1], true
}

// oneDash writes flags that a shell may go on with as the person has begun them, with one dash: a shell offers nothing
// that does not begin as the word does.
type oneDash struct{ io.Writer }

var offered = regexp.MustCompile(`(?m)^--([a-z])`)

func (w oneDash) Write(data []byte) (int, error) {
	if _, err := w.Writer.Write(offered.ReplaceAll(data, []byte("-$1"))); err != nil {
		return 0, err
	}
	return len(data), nil
}

func twoDashes(arg string) string {
	if isWord(arg) {
		return "-" + arg
	}
	return arg
}

// isWord reports whether arg is a dash and a word of two letters or more.
func isWord(arg string) bool {
	name, ok := strings.CutPrefix(arg, "-")
	name, _, _ = strings.Cut(name, "=")
	return ok && len(name) > 1 && (name[0] >= 'a' && name[0] <= 'z' || name[0] >= 'A' && name[0] <= 'Z')
}

// singleDash writes flags in a message as the documentation does.
func singleDash(text string) string { return strings.ReplaceAll(text, "--", "-") }

func flagNames(c *cobra.Command) []string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return names
}

// hint suggests the nearest word, or says where the words are listed.
func hint(word string, known []string, list string) string {
	if near, ok := schema.Nearest(word, known); ok {
		return "did you mean \"" + near + "\"?"
	}
	return list
}
