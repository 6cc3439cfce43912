package imports

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/schema"
)

// Value is a value as HCL writes it.
type Value string

// Marks that stand in texts for a variable of the host's environment.
const (
	envOpen  = "\x00env:"
	envClose = "\x00"
)

// HostEnv stands in a text for a variable of the host's environment.
func HostEnv(name string) string { return envOpen + name + envClose }

// String writes a text. A HostEnv in it becomes the function env.
func String(text string) Value {
	var b strings.Builder
	b.WriteByte('"')
	for {
		before, rest, found := strings.Cut(text, envOpen)
		escape(&b, before)
		if !found {
			break
		}
		name, after, _ := strings.Cut(rest, envClose)
		fmt.Fprintf(&b, "${env(%s)}", String(name))
		text = after
	}
	b.WriteByte('"')
	return Value(b.String())
}

// escape writes what stands between the quotes. A NUL cannot stand in a text and is left out.
func escape(b *strings.Builder, text string) {
	for i, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case (r == '$' || r == '%') && strings.HasPrefix(text[i+1:], "{"):
			b.WriteRune(r)
			b.WriteRune(r)
		case r == 0:
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
}

// widest is how long a list may be in one line.
const widest = 100

// Strings writes a list of texts.
func Strings(texts []string) Value {
	items := make([]string, len(texts))
	for i, t := range texts {
		items[i] = string(String(t))
	}
	if line := strings.Join(items, ", "); len(line) <= widest {
		return Value("[" + line + "]")
	}
	return Value("[\n" + strings.Join(items, ",\n") + ",\n]")
}

// TextOrTexts writes one text as it is and several as a list.
func TextOrTexts(texts []string) Value {
	if len(texts) == 1 {
		return String(texts[0])
	}
	return Strings(texts)
}

// Ints writes a list of numbers.
func Ints(numbers []int) Value {
	items := make([]string, len(numbers))
	for i, n := range numbers {
		items[i] = strconv.Itoa(n)
	}
	return Value("[" + strings.Join(items, ", ") + "]")
}

// Int writes a number.
func Int(n int) Value { return Value(strconv.Itoa(n)) }

// Number writes a number that may have a fraction.
func Number(f float64) Value { return Value(strconv.FormatFloat(f, 'f', -1, 64)) }

// Bool writes true or false.
func Bool(b bool) Value { return Value(strconv.FormatBool(b)) }

// Duration writes a length of time.
func Duration(d time.Duration) Value { return String(schema.FormatDuration(d)) }

// Bytes writes a size.
func Bytes(n int64) Value { return String(schema.FormatBytes(n)) }

// Var is a variable of an environment.
type Var struct{ Name, Value string }

// Env is an environment in the order in which it was given.
type Env []Var

// With is the environment with one more variable; a later one of the same name wins.
func (e Env) With(name, value string) Env {
	out := make(Env, 0, len(e)+1)
	for _, v := range e {
		if v.Name != name {
			out = append(out, v)
		}
	}
	return append(out, Var{name, value})
}

// Get is the value of a variable.
func (e Env) Get(name string) (string, bool) {
	for _, v := range e {
		if v.Name == name {
			return v.Value, true
		}
	}
	return "", false
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// ValidEnv reports whether a variable of an environment may have the name.
func ValidEnv(name string) bool { return identifier.MatchString(name) && len(name) < 256 }

// Map writes an environment.
func Map(e Env) Value {
	lines := make([]string, len(e))
	for i, v := range e {
		key := v.Name
		if !identifier.MatchString(key) || key == "null" || key == "true" || key == "false" || key == "for" {
			key = string(String(key))
		}
		lines[i] = key + " = " + string(String(v.Value))
	}
	if len(lines) == 1 && len(lines[0]) < widest {
		return Value("{ " + lines[0] + " }")
	}
	return Value("{\n" + strings.Join(lines, "\n") + "\n}")
}

// Quote makes a word safe for a line of the shell.
func Quote(word string) string {
	if word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
