package schema

import "testing"

func TestNearestFindsTypingErrorsOnly(t *testing.T) {
	t.Parallel()
	known := []string{"url", "timeout", "max_size", "interval", "method"}
	for word, want := range map[string]string{
		"timeot":   "timeout",
		"timoeut":  "timeout",
		"URL":      "url",
		"ulr":      "url",
		"nmae":     "",
		"urls":     "url",
		"max-size": "max_size",
		"maxsize":  "max_size",
		"colour":   "",
		"":         "",
		"method":   "",
	} {
		got, ok := Nearest(word, known)
		if got != want || ok != (want != "") {
			t.Errorf("Nearest(%q) = %q, %v; want %q", word, got, ok, want)
		}
	}
}

func TestOfEquallyNearNamesTheFirstWins(t *testing.T) {
	t.Parallel()
	for range 20 {
		if got, _ := Nearest("max", []string{"mix", "maz", "may"}); got != "may" {
			t.Fatalf("got %q, want may", got)
		}
	}
}
