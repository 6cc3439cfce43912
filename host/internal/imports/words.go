package imports

import (
	"errors"
	"strings"
)

// SplitWords splits a command as a shell does that expands nothing: quotes keep blanks, a backslash
// keeps the next character.
func SplitWords(text string) ([]string, error) {
	var words []string
	var b strings.Builder
	started, quote := false, byte(0)
	flush := func() {
		if started {
			words = append(words, b.String())
		}
		b.Reset()
		started = false
	}
	for i := 0; i < len(text); i++ {
		ch := text[i]
		switch {
		case quote == 0 && (ch == ' ' || ch == '\t' || ch == '\n'):
			flush()
			continue
		case quote == 0 && (ch == '"' || ch == '\''):
			quote = ch
		case quote != 0 && ch == quote:
			quote = 0
		case ch == '\\' && quote != '\'' && i+1 < len(text) && (quote == 0 || text[i+1] == '"' || text[i+1] == '\\'):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(ch)
		}
		started = true
	}
	if quote != 0 {
		return nil, errors.New("a quote is not closed")
	}
	flush()
	return words, nil
}

// TrimBlank leaves out blank lines at the end.
func TrimBlank(lines []string) []string {
	for len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// OwnEnvironment is the note for programs that pass the environment on in which they were started.
func OwnEnvironment(program string) string {
	return program + " passes on the environment in which it was started; a task gets PATH, HOME, TMPDIR, LANG, LC_ALL, TZ, SSL_CERT_FILE and SSL_CERT_DIR of the host's, and what stands in env: " +
		"name there what the program reads (env = { NAME = env(\"NAME\") })"
}
