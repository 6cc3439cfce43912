package api

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// powers are words in the names of properties by which somebody could make the host open, write or run
// something of his choice.
var powers = []string{
	"path", "file", "dir", "command", "cmd", "exec", "shell", "args", "argv", "env", "plugin", "binary", "script", "image", "user", "group", "url",
	"listen", "address", "socket", "config", "hcl", "source", "sha256", "digest", "module", "library", "template", "include", "limits", "mount",
}

// harmless are the properties that have such a word in their name ("POST /v1/x a.b"), each with the reason why it
// may stay. There are none yet.
var harmless = map[string]string{}

func TestTheAPISetsNoPathCommandEnvironmentOrPlugin(t *testing.T) {
	t.Parallel()
	text, err := openAPIInJSON()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	used, bodies := map[string]bool{}, 0
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			body, ok := op.(map[string]any)
			if !ok || body["requestBody"] == nil {
				continue
			}
			bodies++
			pattern := strings.ToUpper(method) + " " + path
			for _, name := range properties(doc, body["requestBody"], "", map[string]bool{}) {
				last := name[strings.LastIndexByte(name, '.')+1:]
				for part := range strings.SplitSeq(last, "_") {
					if !slices.Contains(powers, strings.TrimSuffix(part, "s")) && !slices.Contains(powers, part) {
						continue
					}
					if harmless[pattern+" "+name] == "" {
						t.Errorf("%s takes %s, which could give a caller power over the machine; if it cannot, say why in harmless", pattern, name)
					}
					used[pattern+" "+name] = true
				}
			}
		}
	}
	if bodies < 15 {
		t.Errorf("only %d routes with a body are looked at", bodies)
	}
	for name := range harmless {
		if !used[name] {
			t.Errorf("harmless names %s, which is not there", name)
		}
	}
}

// properties are the names of all properties below a schema, with the way to them.
func properties(doc map[string]any, node any, at string, seen map[string]bool) (names []string) {
	switch v := node.(type) {
	case []any:
		for _, one := range v {
			names = append(names, properties(doc, one, at, seen)...)
		}
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			if seen[ref] {
				return nil
			}
			below := maps.Clone(seen)
			below[ref] = true
			var target any = doc
			for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				target = target.(map[string]any)[step]
			}
			return properties(doc, target, at, below)
		}
		for key, value := range v {
			props, ok := value.(map[string]any)
			if key != "properties" || !ok {
				if key != "example" && key != "examples" && key != "default" && key != "enum" {
					names = append(names, properties(doc, value, at, seen)...)
				}
				continue
			}
			for name, schema := range props {
				names = append(names, strings.TrimPrefix(at+"."+name, "."))
				names = append(names, properties(doc, schema, strings.TrimPrefix(at+"."+name, "."), seen)...)
			}
		}
	}
	return names
}

func TestTheWalkThroughTheDocumentFindsWhatBodiesTake(t *testing.T) {
	t.Parallel()
	text, err := openAPIInJSON()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	names := properties(doc, doc["paths"].(map[string]any)["/v1/actions"].(map[string]any)["post"].(map[string]any)["requestBody"], "", map[string]bool{})
	if !slices.Contains(names, "verb") || !slices.Contains(names, "select") {
		t.Errorf("the walk finds %v", names)
	}
}
