package notify

import (
	"strings"
	"testing"
)

func TestTemplatesSeeTheMessage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{{.Kind}} {{.Summary}}`: "test a test of the notifier ops",
		`{{range .Items}}{{.Task}} {{.Labels.team}} {{upper .Reason}}{{end}}`: "example ops TEST",
		`{{join ", " (tasks .Items)}} {{len .Items}}`:                         "example 1",
		`{"text": {{json .Summary}}}`:                                         `{"text": "a test of the notifier ops"}`,
		`{{range .Items}}{{duration .Since .At}} {{time "15:04" .At}}{{end}}`: "5m 09:00",
		`{{if eq .Kind "failed"}}bad{{else}}good{{end}}`:                      "good",
		``: "",
	} {
		parsed, err := ParseTemplate(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got, err := parsed.Text(Sample("ops", epoch))
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{DefaultSubject, DefaultText} {
		if err := CheckTemplate(text); err != nil {
			t.Error(err)
		}
	}
}

func TestTemplatesThatFailOrCouldWorkWithoutABoundAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{{.Sumary}}`:                 "Sumary",
		`{{range .Items}}`:            "unexpected EOF",
		`{{range 1000000000}}{{end}}`: "a range goes through a field",
		`{{range len .Items}}{{end}}`: "a range goes through a field",
		`{{printf "%1000000000d" 1}}`: "printf is not supported",
		`{{html .Summary}}`:           "html is not supported",
		`{{call .Summary}}`:           "call is not supported",
		`{{define "x"}}{{template "x"}}{{end}}{{template "x"}}`:                                                     "not supported",
		`{{template "template"}}`:                                                                                   "not supported",
		`{{range .Items}}{{range $.Items}}{{range $.Items}}{{end}}{{end}}{{end}}`:                                   "more than 2 ranges",
		`{{with $x := .Items}}{{range $x}}{{range $x}}{{if .Task}}{{range $x}}x{{end}}{{end}}{{end}}{{end}}{{end}}`: "more than 2 ranges",
		strings.Repeat("x", maxOutput+1):                                                                            "it makes more than",
	} {
		err := CheckTemplate(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", text, err, want)
		}
	}
}

func FuzzTemplates(f *testing.F) {
	f.Add(DefaultText)
	f.Add(`{{range $i, $x := .Items}}{{index $.Items $i}}{{end}}{{slice .Summary 1 2}}`)
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := ParseTemplate(text)
		if err != nil {
			return
		}
		if out, err := parsed.Text(Sample("ops", epoch)); err == nil && len(out) > maxOutput {
			t.Errorf("%d bytes", len(out))
		}
	})
}
