package catalog

import (
	"encoding/json"
	"testing"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

// FuzzADescriptionIsUsableOrRefused reads what a plugin could print: whatever it is, it is refused, or every name and
// schema in it can be worked with.
func FuzzADescriptionIsUsableOrRefused(f *testing.F) {
	f.Add([]byte(answer))
	f.Add([]byte(`{"protocol":1,"types":[{"name":"t","modes":["periodic"],"config":{"attributes":[{"name":"a","type":"string"}]}}]}`))
	f.Add([]byte(`{"protocol":1,"types":[{"name":"t","modes":["continuous"],"message":{"type":"array"}}]}`))
	f.Add([]byte(`{"protocol":1,"types":[{"name":"t","modes":[""],"methods":[{"name":"\u0000","input":{},"result":{}}]}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var d wire.Description
		if json.Unmarshal(text, &d) != nil {
			return
		}
		if (&Plugin{Name: "fuzzed"}).check(d) != nil {
			return
		}
		for _, typ := range d.Types {
			if !task.ValidName(typ.Name) || len(typ.Modes) == 0 {
				t.Errorf("a type %q with the modes %v is accepted", typ.Name, typ.Modes)
			}
			typ.Config.Hash()
			if typ.Message != nil && !json.Valid(typ.Message.JSONSchema()) {
				t.Errorf("the schema of a message of %q has no JSON form", typ.Name)
			}
		}
		again, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("what was accepted cannot be kept: %v", err)
		}
		var kept wire.Description
		if err := json.Unmarshal(again, &kept); err != nil || (&Plugin{}).check(kept) != nil {
			t.Errorf("what was kept is refused: %v", err)
		}
	})
}
