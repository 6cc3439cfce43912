package docs

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	ctyyaml "github.com/zclconf/go-cty-yaml"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taskhost/taskhost/host/internal/api"
)

// A document is what the reference shows of the OpenAPI document.
type document struct {
	Info struct {
		Description string `json:"description"`
	} `json:"info"`
	Paths      map[string]map[string]json.RawMessage `json:"paths"`
	Components struct {
		Parameters map[string]*parameter `json:"parameters"`
		Responses  map[string]*answer    `json:"responses"`
		Schemas    map[string]*shape     `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string             `json:"operationId"`
	Summary     string             `json:"summary"`
	Description string             `json:"description"`
	Parameters  []*parameter       `json:"parameters"`
	Body        *body              `json:"requestBody"`
	Responses   map[string]*answer `json:"responses"`
}

type parameter struct {
	Ref         string `json:"$ref"`
	Name        string `json:"name"`
	In          string `json:"in"`
	Description string `json:"description"`
	Schema      *shape `json:"schema"`
}

type body struct {
	Description string            `json:"description"`
	Required    bool              `json:"required"`
	Content     map[string]*media `json:"content"`
}

type answer struct {
	Ref         string            `json:"$ref"`
	Description string            `json:"description"`
	Content     map[string]*media `json:"content"`
}

type media struct {
	Schema *shape `json:"schema"`
}

// A shape is a JSON schema, or a reference to a named one.
type shape struct {
	Ref         string            `json:"$ref"`
	Description string            `json:"description"`
	Type        words             `json:"type"`
	Enum        []any             `json:"enum"`
	Const       any               `json:"const"`
	Format      string            `json:"format"`
	Pattern     string            `json:"pattern"`
	Minimum     *float64          `json:"minimum"`
	Maximum     *float64          `json:"maximum"`
	Items       *shape            `json:"items"`
	Properties  map[string]*shape `json:"properties"`
	Required    []string          `json:"required"`
	AllOf       []*shape          `json:"allOf"`
	Others      *others           `json:"additionalProperties"`
}

// words is one text or a list of them.
type words []string

func (w *words) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*w = words{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(w))
}

// others is the shape of properties that have no name; nil when it is only said whether there may be some.
type others struct{ shape *shape }

func (o *others) UnmarshalJSON(text []byte) error {
	if text[0] != '{' {
		return nil
	}
	return json.Unmarshal(text, &o.shape)
}

// openAPI reads the document that the host serves.
func openAPI(t *testing.T) document {
	t.Helper()
	ty, err := ctyyaml.ImpliedType(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	value, err := ctyyaml.Unmarshal(api.OpenAPI, ty)
	if err != nil {
		t.Fatal(err)
	}
	text, err := ctyjson.Marshal(value, ty)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// operation returns what a route does, its references replaced by what they mean.
func (d document) operation(t *testing.T, r api.RouteDoc) operation {
	t.Helper()
	item := d.Paths[r.Path]
	var op operation
	if err := json.Unmarshal(item[strings.ToLower(r.Method)], &op); err != nil {
		t.Fatalf("the OpenAPI document does not describe %s %s: %v", r.Method, r.Path, err)
	}
	var shared []*parameter
	if text, ok := item["parameters"]; ok {
		if err := json.Unmarshal(text, &shared); err != nil {
			t.Fatal(err)
		}
	}
	op.Parameters = append(shared, op.Parameters...)
	for i, p := range op.Parameters {
		if p.Ref != "" {
			op.Parameters[i] = d.Components.Parameters[lastName(p.Ref)]
		}
	}
	for status, a := range op.Responses {
		if a.Ref != "" {
			op.Responses[status] = d.Components.Responses[lastName(a.Ref)]
		}
	}
	return op
}

func lastName(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

// String is a shape in a few words: a link to a named one.
func (s *shape) String() string {
	switch {
	case s == nil:
		return "any"
	case s.Ref != "":
		name := lastName(s.Ref)
		return "[" + name + "](#" + strings.ToLower(name) + ")"
	case len(s.AllOf) > 0: // a page of items
		for _, part := range s.AllOf {
			if items := part.Properties["items"]; items != nil {
				return "[Page](#page) of " + items.Items.String()
			}
		}
	case slices.Contains(s.Type, "array") && s.Items != nil:
		return "list of " + s.Items.String()
	case s.Others != nil && s.Others.shape != nil:
		return "map of " + s.Others.shape.String()
	}
	return s.plain()
}

// plain is a shape without a name: its values, or its type with its bounds.
func (s *shape) plain() string {
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, fmt.Sprintf("`%v`", v))
		}
		return strings.Join(values, ", ")
	}
	if s.Const != nil {
		return fmt.Sprintf("`%v`", s.Const)
	}
	text := strings.Join(s.Type, " or ")
	if text == "" {
		return "any"
	}
	if s.Format != "" {
		text += " (" + s.Format + ")"
	}
	if s.Minimum != nil {
		text += ", at least " + strconv.FormatFloat(*s.Minimum, 'f', -1, 64)
	}
	if s.Maximum != nil {
		text += ", at most " + strconv.FormatFloat(*s.Maximum, 'f', -1, 64)
	}
	if s.Pattern != "" {
		text += ", `" + s.Pattern + "`"
	}
	return text
}
