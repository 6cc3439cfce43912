package api

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// document is the part of the OpenAPI document that must agree with the table of routes.
type document struct {
	Paths map[string]map[string]json.RawMessage `json:"paths"`
}

type operation struct {
	ID         string          `json:"operationId"`
	Summary    string          `json:"summary"`
	Security   *[]any          `json:"security"`
	Parameters []parameter     `json:"parameters"`
	Responses  map[string]any  `json:"responses"`
	Body       json.RawMessage `json:"requestBody"`
}

type parameter struct {
	Ref  string `json:"$ref"`
	Name string `json:"name"`
	In   string `json:"in"`
}

func TestEveryRouteIsDescribedAndNothingElse(t *testing.T) {
	t.Parallel()
	text, err := openAPIInJSON()
	if err != nil {
		t.Fatal(err)
	}
	var doc document
	var shared struct {
		Components struct {
			Parameters map[string]parameter `json:"parameters"`
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &shared); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, item := range doc.Paths {
		for method := range item {
			if method != "parameters" {
				described[strings.ToUpper(method)+" "+path] = true
			}
		}
	}
	seen := map[string]string{}
	for _, r := range routes {
		if !described[r.pattern()] {
			t.Errorf("%s is not described", r.pattern())
			continue
		}
		delete(described, r.pattern())
		var op operation
		if err := json.Unmarshal(doc.Paths[r.path][strings.ToLower(r.method)], &op); err != nil {
			t.Fatalf("%s: %v", r.pattern(), err)
		}
		if op.ID == "" || seen[op.ID] != "" || op.Summary == "" {
			t.Errorf("%s: operationId %q is empty or that of %s, or it has no summary", r.pattern(), op.ID, seen[op.ID])
		}
		seen[op.ID] = r.pattern()
		if open := op.Security != nil; open != (r.role == Anyone) {
			t.Errorf("%s: the document says open = %v, the table says %s", r.pattern(), open, r.role)
		}
		var params []string
		for _, p := range op.Parameters {
			if p.Ref != "" {
				p = shared.Components.Parameters[strings.TrimPrefix(p.Ref, "#/components/parameters/")]
			}
			if p.In == "query" {
				params = append(params, p.Name)
			}
		}
		want := slices.DeleteFunc(strings.Fields(r.params), func(p string) bool { return p == "label.*" })
		slices.Sort(params)
		slices.Sort(want)
		if !slices.Equal(params, want) {
			t.Errorf("%s: the document has the parameters %v, the table %v", r.pattern(), params, want)
		}
		if _, ok := op.Responses["default"]; !ok {
			t.Errorf("%s: no default response", r.pattern())
		}
	}
	for pattern := range described {
		t.Errorf("%s is described but not served", pattern)
	}
}

func TestCodesAreDistinctAndHaveARemedy(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range Codes {
		if seen[c.Name] || c.Status < 400 || c.Meaning == "" || c.Remedy == "" {
			t.Errorf("code %+v is double or incomplete", c)
		}
		seen[c.Name] = true
	}
}
