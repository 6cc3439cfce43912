package queue

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzAFieldIsWhatAMapOfTheObjectHolds compares field with encoding/json.
func FuzzAFieldIsWhatAMapOfTheObjectHolds(f *testing.F) {
	for _, body := range []string{
		`{}`, `{"a":1}`, `{"a":"x\"y","b":{"a":2}}`, `{"b":[{"a":1},"a"],"a":[1,"]}"]}`, `{"a":1,"\u0061":2}`, `{"a":"\\"}`, `{"a":"\\\"","b":1}`,
		`[{"a":1}]`, `"a"`, `1`, `null`, `{"a":null}`, `{"":1,"a":true}`, `{"ä":1,"a":-1.5e3}`, `{"a":{},"b":[]}`, `{"b":"\ud83d\ude00","a":"\u2028"}`,
	} {
		f.Add(body, "a")
		f.Add(body, "b")
		f.Add(body, "ä")
		f.Add(body, "")
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		var body bytes.Buffer
		if json.Compact(&body, []byte(text)) != nil {
			field([]byte(text), name) // whatever it is, it harms nobody
			return
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(body.Bytes(), &want) != nil {
			want = nil
		}
		if got := field(body.Bytes(), name); !bytes.Equal(got, want[name]) {
			t.Errorf("field %q of %s is %s, want %s", name, body.Bytes(), got, want[name])
		}
	})
}
