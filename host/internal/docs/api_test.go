package docs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/taskhost/taskhost/host/internal/api"
)

func apiReference(t *testing.T) string {
	doc := openAPI(t)
	var out strings.Builder
	out.WriteString("# Admin API reference\n\nMade from the OpenAPI document that the host serves at `/v1/openapi.json`. [The guide for callers](../guide/api-callers.md) has examples.\n\n")
	out.WriteString(strings.TrimSpace(doc.Info.Description) + "\n")
	out.WriteString("\nA caller has a role: `viewer` reads, `operator` commands tasks and posts messages too, `admin` commands the host too; a `producer` posts\nmessages to the queues that are open to it and does nothing else. A caller on the Unix socket, and one with the host's token, is `admin`.\n")

	out.WriteString("\n## Routes\n\n| route | role | |\n|---|---|---|\n")
	for _, r := range api.Reference() {
		op := doc.operation(t, r)
		fmt.Fprintf(&out, "| [`%s %s`](#%s) | %s | %s |\n", r.Method, r.Path, strings.ToLower(op.ID), r.Role, escape(op.Summary))
	}
	for _, r := range api.Reference() {
		writeRoute(&out, r, doc.operation(t, r))
	}
	writeCodes(&out)
	writeShapes(&out, doc)
	return out.String()
}

func writeRoute(out *strings.Builder, r api.RouteDoc, op operation) {
	fmt.Fprintf(out, "\n### %s\n\n`%s %s` · %s\n\n%s.\n", op.ID, r.Method, r.Path, r.Role, sentence(op.Summary))
	if op.Description != "" {
		fmt.Fprintf(out, "%s\n", strings.TrimSpace(op.Description))
	}
	if len(op.Parameters) > 0 {
		out.WriteString("\n| parameter | in | type | |\n|---|---|---|---|\n")
		for _, p := range op.Parameters {
			fmt.Fprintf(out, "| `%s` | %s | %s | %s |\n", p.Name, p.In, escape(p.Schema.String()), escape(p.Description))
		}
	}
	if op.Body != nil {
		need, more := "optional", ""
		if op.Body.Required {
			need = "required"
		}
		if op.Body.Description != "" {
			more = ", " + op.Body.Description
		}
		fmt.Fprintf(out, "\nBody (%s): %s%s.\n", need, op.Body.Content["application/json"].Schema, more)
	}
	out.WriteString("\n| answer | | body |\n|---|---|---|\n")
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		a := op.Responses[status]
		if status == "default" || a.Content["application/problem+json"] != nil {
			continue // a refusal: see the table of problems
		}
		var bodies []string
		for _, media := range slices.Sorted(maps.Keys(a.Content)) {
			text := a.Content[media].Schema.String()
			if media != "application/json" {
				text = "`" + media + "`"
			}
			bodies = append(bodies, text)
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", status, escape(a.Description), escape(strings.Join(bodies, ", ")))
	}
}

func writeCodes(out *strings.Builder) {
	out.WriteString("\n## Problems\n\nA refusal is `application/problem+json`: [Problem](#problem). A `code` never changes its meaning; the `remedy` of an answer says more than the\none here where the request allows it.\n\n")
	out.WriteString("| code | status | meaning | remedy |\n|---|---|---|---|\n")
	for _, c := range api.Codes {
		fmt.Fprintf(out, "| `%s` | %d | %s | %s |\n", c.Name, c.Status, escape(c.Meaning), escape(c.Remedy))
	}
}

func writeShapes(out *strings.Builder, doc document) {
	out.WriteString("\n## Types\n")
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		s := doc.Components.Schemas[name]
		fmt.Fprintf(out, "\n### %s\n", name)
		if s.Description != "" {
			fmt.Fprintf(out, "\n%s.\n", sentence(s.Description))
		}
		for _, part := range s.AllOf {
			if part.Ref != "" {
				fmt.Fprintf(out, "\nWhat %s has, and:\n", part)
			}
			table(out, part)
		}
		table(out, s)
		if len(s.Properties)+len(s.AllOf) == 0 {
			fmt.Fprintf(out, "\n%s\n", s.plain())
		}
	}
}

// table writes the properties of an object, those of objects in it after it.
func table(out *strings.Builder, s *shape) {
	if len(s.Properties) > 0 {
		out.WriteString("\n| field | type | always there | |\n|---|---|---|---|\n")
		rows(out, s, "")
	}
}

func rows(out *strings.Builder, s *shape, in string) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		always := ""
		if slices.Contains(s.Required, name) {
			always = "yes"
		}
		fmt.Fprintf(out, "| `%s%s` | %s | %s | %s |\n", in, name, escape(p.String()), always, escape(p.Description))
		rows(out, p, in+name+".")
		if p.Items != nil {
			rows(out, p.Items, in+name+"[].")
		}
		if p.Others != nil && p.Others.shape != nil {
			rows(out, p.Others.shape, in+name+".*.")
		}
	}
}
