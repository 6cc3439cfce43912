package pm2

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/taskhost/taskhost/host/internal/imports"
)

// remedy is what to do with a file that only node understands.
const remedy = `let node evaluate it: node -p 'JSON.stringify(require("./%s"))' > ecosystem.json, then import that`

var exported = regexp.MustCompile(`(?m)^\s*(module\.exports\s*=|export\s+default\b)`)

// parse makes a tree of a file. YAML is wider than JSON and than the object literals of JavaScript,
// so one parser reads all three.
func parse(file imports.File) (*yaml.Node, error) {
	text := file.Text
	script := false
	switch filepath.Ext(file.Name) {
	case ".js", ".cjs", ".mjs", ".ts":
		script = true
		var err error
		if text, err = literal(text); err != nil {
			return nil, fmt.Errorf("%w; "+remedy, err, filepath.Base(file.Name))
		}
	case ".json":
		text = withoutComments(text)
	}
	if inspected.MatchString(text) {
		text = doubleQuoted(references.ReplaceAllString(text, ""))
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		line, what := parserLine(err)
		if script {
			what = fmt.Sprintf("this is more than an object (%s); "+remedy, what, filepath.Base(file.Name))
		}
		return nil, &lineError{line, what}
	}
	if len(root.Content) == 0 {
		return nil, errors.New("there is nothing in it")
	}
	if script {
		if kind := root.Content[0].Kind; kind != yaml.MappingNode && kind != yaml.SequenceNode {
			return nil, fmt.Errorf("what it exports is no object; "+remedy, filepath.Base(file.Name))
		}
		if n := expression(root.Content[0]); n != nil {
			return nil, &lineError{n.Line, fmt.Sprintf("%q is an expression; "+remedy, clip(n.Value), filepath.Base(file.Name))}
		}
	}
	return root.Content[0], nil
}

var (
	inspected  = regexp.MustCompile(`(?m)[{,\s]pm_exec_path: `) // what pm2 prettylist prints: objects as JavaScript shows them
	references = regexp.MustCompile(`<ref \*\d+> `)
)

// doubleQuoted writes the texts of JavaScript as YAML reads them: in double quotes, with the same escapes.
func doubleQuoted(text string) string {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == 0 && (c == '\'' || c == '"' || c == '`'):
			quote = c
			b.WriteByte('"')
		case quote != 0 && c == quote:
			quote = 0
			b.WriteByte('"')
		case quote != 0 && c == '\\' && i+1 < len(text):
			i++
			if text[i] != '\'' && text[i] != '`' {
				b.WriteByte(c)
			}
			b.WriteByte(text[i])
		case quote != 0 && c == '"':
			b.WriteString(`\"`)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// lineError is what is wrong in a line; 0 is the file as a whole.
type lineError struct {
	line int
	text string
}

func (e *lineError) Error() string { return e.text }

var parserSays = regexp.MustCompile(`^yaml: line (\d+): `)

// parserLine takes the line out of what the parser says.
func parserLine(err error) (int, string) {
	text := err.Error()
	if m := parserSays.FindStringSubmatch(text); m != nil {
		line, _ := strconv.Atoi(m[1])
		return line, text[len(m[0]):]
	}
	return 0, text
}

// clip shortens a text for a note.
func clip(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// literal is the object that a module exports, at its place so that lines hold.
func literal(text string) (string, error) {
	text = withoutComments(text)
	at := exported.FindStringIndex(text)
	if at == nil {
		return "", errors.New("it does not say module.exports = { … }")
	}
	if strings.TrimSpace(text[:at[0]]) != "" {
		return "", errors.New("there is code before module.exports")
	}
	if strings.ContainsRune(text, '`') {
		return "", errors.New("there is a template string in it")
	}
	head := strings.Map(func(r rune) rune {
		if r == '\n' {
			return r
		}
		return ' '
	}, text[:at[1]])
	// YAML wants a blank behind a colon, and takes tabs for nothing that may stand at a beginning.
	body := strings.TrimRight(strings.TrimRight(strings.ReplaceAll(text[at[1]:], "\t", " "), " \n\r"), ";")
	body = doubleQuoted(body)
	return head + bareKey.ReplaceAllString(body, "$1$2: "), nil
}

var bareKey = regexp.MustCompile(`(?m)([{,]\s*|^\s*)([A-Za-z_][A-Za-z0-9_]*):`)

// withoutComments blanks out // and /* */ outside of texts, and keeps the lines.
func withoutComments(text string) string {
	out := []byte(text)
	quote := byte(0)
	for i := 0; i < len(out); i++ {
		switch {
		case quote != 0 && out[i] == '\\':
			i++
		case quote != 0:
			if out[i] == quote || out[i] == '\n' {
				quote = 0
			}
		case out[i] == '"' || out[i] == '\'' || out[i] == '`':
			quote = out[i]
		case out[i] == '/' && i+1 < len(out) && out[i+1] == '/':
			for ; i < len(out) && out[i] != '\n'; i++ {
				out[i] = ' '
			}
		case out[i] == '/' && i+1 < len(out) && out[i+1] == '*':
			end := strings.Index(string(out[i+2:]), "*/")
			last := len(out)
			if end >= 0 {
				last = i + 2 + end + 2
			}
			for ; i < last; i++ {
				if out[i] != '\n' {
					out[i] = ' '
				}
			}
			i--
		}
	}
	return string(out)
}

// expression finds a value that JavaScript would have to compute: text without quotes.
func expression(n *yaml.Node) *yaml.Node {
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		if child.Kind == yaml.ScalarNode && child.Tag == "!!str" && child.Style == 0 {
			return child
		}
		if found := expression(child); found != nil {
			return found
		}
	}
	return nil
}
