package config

import (
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// scope is what expressions may use: variables, locals and functions. Functions
// that take paths differ from directory to directory.
type scope struct {
	outside outside
	vars    map[string]cty.Value
	locals  map[string]cty.Value

	functions map[string]map[string]function.Function // by directory
	contexts  map[string]*hcl.EvalContext             // by directory, once sealed
	sealed    bool
}

func newScope(o outside) *scope {
	return &scope{
		outside:   o,
		vars:      map[string]cty.Value{},
		locals:    map[string]cty.Value{},
		functions: map[string]map[string]function.Function{},
		contexts:  map[string]*hcl.EvalContext{},
	}
}

// seal says that no variable and no local is added any more.
func (s *scope) seal() { s.sealed = true }

// of is the context of an expression that stands in the file.
func (s *scope) of(file string) *hcl.EvalContext {
	dir := filepath.Dir(file)
	if ctx := s.contexts[dir]; ctx != nil {
		return ctx
	}
	functions := s.functions[dir]
	if functions == nil {
		functions = s.outside.functions(dir)
		s.functions[dir] = functions
	}
	ctx := &hcl.EvalContext{
		Variables: map[string]cty.Value{"var": cty.ObjectVal(s.vars), "local": cty.ObjectVal(s.locals)},
		Functions: functions,
	}
	if s.sealed {
		s.contexts[dir] = ctx
	}
	return ctx
}

// each is the context of an expression in an instance of a task.
func (s *scope) each(file string, key, value cty.Value) *hcl.EvalContext {
	ctx := s.of(file).NewChild()
	ctx.Variables = map[string]cty.Value{
		"each": cty.ObjectVal(map[string]cty.Value{"key": key, "value": value}),
	}
	return ctx
}
