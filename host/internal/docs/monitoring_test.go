package docs

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/taskhost/taskhost/host/internal/metrics"
)

// metricsReference lists everything that there is to scrape.
func metricsReference(*testing.T) string {
	var out strings.Builder
	out.WriteString("# Metrics reference\n\nWhat `GET /metrics` answers with. [The guide for operators](../guide/operators.md#monitoring) says how to scrape it; a dashboard and alert rules\nlie in [docs/monitoring](../monitoring).\n\n| name | kind | meaning |\n|---|---|---|\n")
	for _, f := range metrics.Families() {
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", f.Name, f.Kind, f.Help)
	}
	return out.String()
}

// rule is an alert as Prometheus loads it.
type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func TestAlertRulesAskForMetricsThatExist(t *testing.T) {
	t.Parallel()
	path := filepath.Join(root, "docs", "monitoring", "alerts.yaml")
	var file struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []rule `json:"rules"`
		} `json:"groups"`
	}
	fromYAML(t, path, &file)
	seen := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Alert == "" || seen[r.Alert] || r.Annotations["summary"] == "" || r.Labels["severity"] == "" {
				t.Errorf("%s: the rule %q has no name of its own, no summary or no severity", path, r.Alert)
			}
			seen[r.Alert] = true
			exist(t, r.Alert, r.Expr)
			for _, text := range r.Annotations {
				for _, command := range regexp.MustCompile(`taskhost (task|queue|runs) [a-z]+`).FindAllString(text, -1) {
					if !strings.Contains(read(t, filepath.Join(root, "docs", "reference", "cli.md")), command) {
						t.Errorf("%s: there is no command %s", r.Alert, command)
					}
				}
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("%s has %d rules", path, len(seen))
	}
}

func TestTheDashboardAsksForMetricsThatExist(t *testing.T) {
	t.Parallel()
	var board struct {
		Title  string `json:"title"`
		Panels []struct {
			Title   string                                `json:"title"`
			GridPos struct{ X, Y, W, H int }              `json:"gridPos"`
			Targets []struct{ Expr, LegendFormat string } `json:"targets"`
		} `json:"panels"`
		Templating struct {
			List []struct{ Name, Definition string } `json:"list"`
		} `json:"templating"`
	}
	path := filepath.Join(root, "docs", "monitoring", "grafana.json")
	if err := json.Unmarshal([]byte(read(t, path)), &board); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(board.Panels) < 10 {
		t.Errorf("%s has %d panels", path, len(board.Panels))
	}
	for i, p := range board.Panels {
		for _, q := range p.Targets {
			exist(t, p.Title, strings.ReplaceAll(q.Expr, "$__rate_interval", "5m"))
		}
		for _, other := range board.Panels[:i] {
			a, b := p.GridPos, other.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("%s: %q lies over %q", path, p.Title, other.Title)
			}
		}
	}
	for _, v := range board.Templating.List {
		if v.Definition != "" {
			exist(t, v.Name, strings.TrimPrefix(strings.Split(v.Definition, ",")[0], "label_values("))
		}
	}
}

// exist parses an expression and looks up every metric in it, and its labels.
func exist(t *testing.T, where, expr string) {
	t.Helper()
	parsed, err := metricsql.Parse(expr)
	if err != nil {
		t.Errorf("%s: %v in %s", where, err, expr)
		return
	}
	known := map[string]metrics.Family{}
	for _, f := range metrics.Families() {
		known[f.Name] = f
	}
	found := 0
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		m, ok := e.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		for _, filters := range m.LabelFilterss {
			for _, f := range filters {
				if f.Label != "__name__" {
					continue
				}
				found++
				name := f.Value
				if base, is := strings.CutSuffix(name, "_bucket"); is && known[base].Kind == "histogram" {
					name = base
				}
				if _, there := known[name]; !there && name != "up" { // up is Prometheus' own
					t.Errorf("%s: there is no metric %s", where, f.Value)
				}
			}
		}
	})
	if found == 0 {
		t.Errorf("%s: no metric in %s", where, expr)
	}
}

// fromYAML reads a file of YAML as encoding/json reads one of JSON.
func fromYAML(t *testing.T, path string, into any) {
	t.Helper()
	text := []byte(read(t, path))
	ty, err := ctyyaml.ImpliedType(text)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	v, err := ctyyaml.Unmarshal(text, ty)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	data, err := ctyjson.Marshal(v, ty)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}
