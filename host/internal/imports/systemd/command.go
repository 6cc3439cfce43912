package systemd

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// command is one line of an Exec setting.
type command struct {
	words    []string
	ignore   bool // prefix -: how it ends does not matter
	plain    bool // prefix :, no variables are replaced
	elevated bool // prefix +, ! or !!: other rights than the rest
	name     string
}

// parseCommand reads the value of an Exec setting, which may hold several commands.
func parseCommand(text string) ([]command, error) {
	words, err := splitWords(text)
	if err != nil {
		return nil, err
	}
	var all []command
	var c command
	for _, w := range append(words, word{text: ";"}) {
		switch {
		case w.text == ";" && !w.quoted:
			if len(c.words) > 0 {
				all = append(all, c)
			}
			c = command{}
			continue
		case w.text == `\;`:
			w.text = ";"
		}
		c.words = append(c.words, w.text)
	}
	for i := range all {
		if err := all[i].prefixes(); err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, errors.New("there is no command")
	}
	return all, nil
}

// prefixes takes the special characters off the front of the program.
func (c *command) prefixes() error {
	argv0 := false
	for program := c.words[0]; ; program = program[1:] {
		if program == "" {
			return errors.New("there is no program")
		}
		switch program[0] {
		case '-':
			c.ignore = true
		case '@':
			argv0 = true
		case ':':
			c.plain = true
		case '+', '!', '|':
			c.elevated = true
		default:
			c.words[0] = program
			if argv0 && len(c.words) > 1 {
				c.name = c.words[1]
				c.words = append(c.words[:1:1], c.words[2:]...)
			}
			return nil
		}
	}
}

// word is a word of a command line.
type word struct {
	text   string
	quoted bool
}

// splitWords splits as systemd does: quotes keep blanks, backslashes as in C.
func splitWords(text string) ([]word, error) {
	var words []word
	var b strings.Builder
	started, quoted, quote := false, false, byte(0)
	flush := func() {
		if started {
			words = append(words, word{b.String(), quoted})
		}
		b.Reset()
		started, quoted = false, false
	}
	for i := 0; i < len(text); i++ {
		ch := text[i]
		switch {
		case quote == 0 && (ch == ' ' || ch == '\t'):
			flush()
		case quote == 0 && (ch == '"' || ch == '\''):
			quote, started, quoted = ch, true, true
		case quote != 0 && ch == quote:
			quote = 0
		case ch == '\\' && i+1 < len(text):
			n, out := unescape(text[i+1:])
			b.WriteString(out)
			i += n
			started = true
		default:
			b.WriteByte(ch)
			started = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	flush()
	return words, nil
}

// unescape reads what stands behind a backslash. What is no escape stays as it is.
func unescape(text string) (n int, out string) {
	if i := strings.IndexByte(`abfnrtv\"'s`, text[0]); i >= 0 {
		return 1, string("\a\b\f\n\r\t\v\\\"' "[i])
	}
	if text[0] == 'x' && len(text) >= 3 {
		if v, err := strconv.ParseUint(text[1:3], 16, 8); err == nil && v > 0 && v < 0x80 {
			return 3, string(rune(v))
		}
	}
	return 1, `\` + text[:1]
}

var (
	wholeVariable = regexp.MustCompile(`^\$[A-Za-z_][A-Za-z0-9_]*$`)
	anyVariable   = regexp.MustCompile(`\$\$|\$\{[A-Za-z_][A-Za-z0-9_]*\}`)
)

// variables reports whether a word names one.
func (c command) variables() bool {
	if c.plain {
		return false
	}
	for _, w := range c.words {
		if wholeVariable.MatchString(w) || anyVariable.MatchString(w) {
			return true
		}
	}
	return false
}

// shell writes the command for /bin/sh.
func (c command) shell() string {
	words := make([]string, len(c.words))
	for i, w := range c.words {
		words[i] = c.shellWord(w)
	}
	return strings.Join(words, " ")
}

// shellWord writes a word so that the shell makes of it what systemd does: $NAME alone becomes words,
// ${NAME} is replaced within the word.
func (c command) shellWord(w string) string {
	if c.plain {
		return imports.Quote(w)
	}
	if wholeVariable.MatchString(w) {
		return w
	}
	if !anyVariable.MatchString(w) {
		return imports.Quote(w)
	}
	var b strings.Builder
	last := 0
	for _, at := range anyVariable.FindAllStringIndex(w, -1) {
		if at[0] > last {
			b.WriteString(imports.Quote(w[last:at[0]]))
		}
		if found := w[at[0]:at[1]]; found == "$$" {
			b.WriteString(`'$'`)
		} else {
			b.WriteString(`"` + found + `"`)
		}
		last = at[1]
	}
	if last < len(w) {
		b.WriteString(imports.Quote(w[last:]))
	}
	return b.String()
}
