package config

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// secretName finds names of environment variables that hold secrets as a rule.
var secretName = regexp.MustCompile(`(?i)(TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|API_?KEY|PRIVATE_?KEY|ACCESS_?KEY)`)

// checkNames looks at every expression of the native files before any is evaluated:
// it reports variables and locals that are not there, with near names, and warns of
// env("…TOKEN…") outside of sensitive(…), whose value would be shown. JSON is
// written by programs, whose mistakes are found when it is evaluated.
func (l *loader) checkNames(bodies []hcl.Body) {
	walk := &nameWalk{find: l.find, declared: map[string][]string{"var": {}, "local": {}}}
	for _, n := range l.root.blocks["variable"] {
		walk.declared["var"] = append(walk.declared["var"], n.label)
	}
	for _, n := range l.root.blocks["locals"] {
		attrs, _ := n.body.JustAttributes()
		walk.declared["local"] = append(walk.declared["local"], sortedKeys(attrs)...)
	}
	for _, names := range walk.declared {
		slices.Sort(names)
	}
	for _, body := range bodies {
		if native, ok := body.(*hclsyntax.Body); ok {
			_ = hclsyntax.Walk(native, walk)
		}
	}
}

// nameWalk knows how many calls of sensitive it is in.
type nameWalk struct {
	find     findings
	declared map[string][]string // what var and local have, sorted
	hidden   int
}

// Enter looks at a node before its children.
func (w *nameWalk) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		w.use(n.Traversal)
	case *hclsyntax.FunctionCallExpr:
		if n.Name == "sensitive" {
			w.hidden++
		}
		if n.Name == "env" && len(n.Args) > 0 && w.hidden == 0 {
			if name, ok := constantText(n.Args[0]); ok && secretName.MatchString(name) {
				w.find.warnf(n.Range(), fmt.Sprintf("write secret(%q)", "env:"+name), "env(%q) gives the value in the clear: it will be shown", clip(name))
			}
		}
	}
	return nil
}

// Exit looks at a node after its children.
func (w *nameWalk) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if call, ok := n.(*hclsyntax.FunctionCallExpr); ok && call.Name == "sensitive" {
		w.hidden--
	}
	return nil
}

// use checks one use of a variable or local by name.
func (w *nameWalk) use(t hcl.Traversal) {
	if len(t) < 2 {
		return
	}
	kind := map[string]string{"var": "variable", "local": "local"}[t.RootName()]
	step, ok := t[1].(hcl.TraverseAttr)
	if kind == "" || !ok {
		return
	}
	declared := w.declared[t.RootName()]
	if _, known := slices.BinarySearch(declared, step.Name); known {
		return
	}
	w.find.errorf(hcl.RangeBetween(t[0].SourceRange(), step.SrcRange), nearHint(step.Name, declared), "there is no %s %q", kind, step.Name)
	w.find.names[step.SrcRange] = true
}

// constantText is the value of an expression that is a plain text.
func constantText(expr hclsyntax.Expression) (string, bool) {
	template, ok := expr.(*hclsyntax.TemplateExpr)
	if !ok || !template.IsStringLiteral() {
		return "", false
	}
	v, diags := template.Value(nil)
	if diags.HasErrors() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}
