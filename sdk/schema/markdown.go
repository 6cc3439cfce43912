package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// Markdown writes the schema for the plugin reference: a table of the
// attributes, then each block under a heading with its own table. An empty
// schema gives a sentence that says so.
func Markdown(b Body) string {
	var out strings.Builder
	if len(b.Attributes)+len(b.Blocks) == 0 {
		return "No configuration.\n"
	}
	b.markdown(&out, "")
	return out.String()
}

func (b Body) markdown(out *strings.Builder, in string) {
	if len(b.Attributes) > 0 {
		out.WriteString("| name | type | default | required | description |\n|---|---|---|---|---|\n")
		attributeRows(out, b.Attributes, "")
	}
	for _, block := range b.Blocks {
		name := in + block.Name
		title := "`" + name + "`"
		if block.Label != "" {
			title = fmt.Sprintf("`%s \"%s\"`", name, block.Label)
		}
		fmt.Fprintf(out, "\nBlock %s (%s)", title, block.occurs())
		if block.Doc != "" {
			fmt.Fprintf(out, ": %s", strings.TrimSpace(block.Doc))
		}
		out.WriteString("\n\n")
		block.Body.markdown(out, name+".")
	}
}

func attributeRows(out *strings.Builder, attributes []Attribute, in string) {
	for _, a := range attributes {
		required := ""
		if a.Required {
			required = "yes"
		}
		value := ""
		if a.Default != nil {
			value = "`" + cell(prettyJSON(a.Default)) + "`"
		}
		fmt.Fprintf(out, "| `%s` | %s | %s | %s | %s |\n", in+a.Name, cell(a.typeWord()), value, required, cell(a.describe()))
		attributeRows(out, a.Fields, in+a.Name+".")
	}
}

// occurs says in words how often a block stands.
func (b Block) occurs() string {
	switch {
	case b.Nesting == NestingSingle && b.Min > 0:
		return "required"
	case b.Nesting == NestingSingle:
		return "optional"
	case b.Min == 0 && b.Max == 0:
		return "any number"
	case b.Max == 0:
		return fmt.Sprintf("at least %d", b.Min)
	}
	return fmt.Sprintf("%d to %d", b.Min, b.Max)
}

func (a Attribute) typeWord() string {
	switch {
	case a.Kind == KindAny:
		return "any"
	case a.Type.IsListType() || a.Type.IsSetType():
		return "list of " + a.element().typeWord()
	case a.Type.IsMapType():
		return "map of " + a.element().typeWord()
	case a.Type.IsObjectType():
		return "object"
	case a.Kind == KindPlain || a.Kind == KindText:
		return a.Type.FriendlyName()
	}
	return string(a.Kind)
}

func (a Attribute) element() Attribute {
	a.Type = a.Type.ElementType()
	return a
}

// describe is the doc and what else there is to know, in one line.
func (a Attribute) describe() string {
	parts := []string{strings.TrimRight(strings.TrimSpace(a.Doc), ".")}
	if len(a.OneOf) > 0 {
		parts = append(parts, "one of `"+strings.Join(a.OneOf, "`, `")+"`")
	}
	if a.Min != nil {
		parts = append(parts, "at least "+a.bound(*a.Min))
	}
	if a.Max != nil {
		parts = append(parts, "at most "+a.bound(*a.Max))
	}
	if a.Pattern != "" {
		parts = append(parts, "matches `"+a.Pattern+"`")
	}
	if a.Sensitive {
		parts = append(parts, "sensitive")
	}
	if len(a.Was) > 0 {
		parts = append(parts, "was `"+strings.Join(a.Was, "`, `")+"`")
	}
	if a.Deprecated != "" {
		parts = append(parts, "deprecated: "+a.Deprecated)
	}
	if parts[0] == "" {
		parts = parts[1:]
	}
	return strings.Join(parts, "; ")
}

// bound writes a Min or Max in the unit that it counts.
func (a Attribute) bound(limit float64) string {
	switch {
	case a.Type.IsCollectionType():
		return formatNumber(limit) + " elements"
	case a.Kind == KindDuration:
		return formatSeconds(limit)
	case a.Kind == KindBytes:
		return FormatBytes(int64(limit))
	case a.Type == cty.String:
		return formatNumber(limit) + " characters"
	}
	return formatNumber(limit)
}

func prettyJSON(raw json.RawMessage) string {
	var text bytes.Buffer
	if err := json.Compact(&text, raw); err != nil {
		return string(raw)
	}
	return text.String()
}

// cell keeps a text from ending its cell or its line.
func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}
