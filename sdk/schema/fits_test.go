package schema

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestWhatIsPlainToSeeIsWhatTheFullCheckSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := drawValue(t, 3)
		raw := []byte(drawJSON(t, 3))
		if !json.Valid(raw) {
			t.Fatalf("%s is no JSON", raw)
		}
		if problems := v.Check(raw); v.Fits(raw) && len(problems) > 0 {
			t.Errorf("%+v fits %s, and:\n%s", v, raw, problemLines(problems))
		}
	})
}

// drawJSON makes a JSON text with the names of drawValue's fields, spaces and escapes.
func drawJSON(t *rapid.T, depth int) string {
	gap := rapid.SampledFrom([]string{"", "", " ", "\n\t"})
	simple := []string{"null", "true", "false", "0", "-1", "1.5", "1e3", "1e999", `""`, `"a"`, `"a\"b\\"`, `"\u0061"`, "\"\xff\""}
	kind := rapid.IntRange(0, 3).Draw(t, "kind")
	if depth == 0 || kind < 2 {
		return gap.Draw(t, "gap") + rapid.SampledFrom(simple).Draw(t, "simple") + gap.Draw(t, "gap")
	}
	var parts []string
	for range rapid.IntRange(0, 3).Draw(t, "parts") {
		part := drawJSON(t, depth-1)
		if kind == 3 {
			part = rapid.SampledFrom([]string{`"a"`, ` "b" `, `"c"`, `"\u0061"`, `"z"`}).Draw(t, "name") + ":" + part
		}
		parts = append(parts, part)
	}
	open, end := "[", "]"
	if kind == 3 {
		open, end = "{", "}"
	}
	return gap.Draw(t, "gap") + open + strings.Join(parts, ",") + gap.Draw(t, "gap") + end
}

func TestAnOrdinaryMessageIsPlainToSee(t *testing.T) {
	t.Parallel()
	type page struct {
		URL   string            `json:"url" pattern:"^https?://"`
		N     int               `json:"n" min:"0"`
		Tags  []string          `json:"tags,omitempty"`
		Heads map[string]string `json:"heads,omitempty"`
		Any   any               `json:"any"`
		Done  bool              `json:"done,omitempty"`
	}
	v := mustValueOf[page](t)
	for raw, want := range map[string]bool{
		`{"url":"http://x","n":1,"any":{"a":[1,"]"]}}`:                                        true,
		` { "any" : null , "done" : true , "n" : 0 , "url" : "https://\u00e4" , "tags":[ ] }`: false, // an escape under a pattern
		`{"url":"http://x","n":7,"any":"\\","tags":["a","\""],"heads":{"b":"c"}}`:             true,
		`{"url":"ftp://x","n":1,"any":1}`:                                                     false,
		`{"url":"http://x","n":-1,"any":1}`:                                                   false,
		`{"url":"http://x","any":1}`:                                                          false,
		`{"url":"http://x","n":1,"any":1,"more":1}`:                                           false,
		`{"url":"http://x","n":1,"n":1,"any":1}`:                                              false,
		`{"url":"http://x","n":1,"any":1,"tags":[1]}`:                                         false,
	} {
		if got := v.Fits([]byte(raw)); got != want {
			t.Errorf("%s: %t", raw, got)
		}
	}
}

func BenchmarkFits(b *testing.B) {
	type work struct {
		N    int    `json:"n"`
		Text string `json:"text"`
	}
	v, err := ValueOf[work]()
	if err != nil {
		b.Fatal(err)
	}
	raw := json.RawMessage(fmt.Sprintf(`{"n":1,"text":"%s"}`, strings.Repeat("x", 490)))
	b.ReportAllocs()
	for b.Loop() {
		if !v.Fits(raw) {
			b.Fatal("it does not fit")
		}
	}
}
