package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/sdk/schema"
)

func (a *app) showPlugin(p admin.Plugin) {
	a.line("%s %s  %s", p.Name, p.Version, admin.Printable(p.Doc))
	a.fact("problem", p.Error)
	a.fact("binary", p.Path)
	pinned := "  not pinned"
	if p.Pinned {
		pinned = "  pinned"
	}
	a.fact("sha256", p.Digest+pinned)
	if p.Protocol > 0 {
		a.fact("protocol", fmt.Sprintf("%d  SDK %s", p.Protocol, p.SDK))
	}
	a.fact("tasks", strings.Join(p.Tasks, ", "))
	for _, t := range p.Types {
		a.line("")
		a.line("type %s  (%s)  %s", t.Name, strings.Join(t.Modes, ", "), admin.Printable(t.Doc))
		a.showConfig(t.Config)
		a.fact("input", string(t.Input))
		a.fact("result", string(t.Result))
		a.fact("message", string(t.Message))
		for _, m := range t.Methods {
			a.fact("method", strings.TrimSpace(m.Name+"  "+m.Doc))
		}
		for _, o := range t.Outputs {
			a.fact("output", strings.TrimSpace(o.Name+"  "+o.Doc))
		}
	}
}

// showConfig lists the attributes of a type's config.
func (a *app) showConfig(text json.RawMessage) {
	var body schema.Body
	if len(text) == 0 || json.Unmarshal(text, &body) != nil {
		return
	}
	a.bodyRows("config", body)
}

func (a *app) bodyRows(under string, body schema.Body) {
	if len(body.Attributes) > 0 {
		t := newTable(strings.ToUpper(under), "TYPE", "DEFAULT", "")
		for _, attr := range body.Attributes {
			typ := string(attr.Kind)
			if typ == "" {
				typ = attr.Type.FriendlyName()
			}
			def := string(attr.Default)
			if attr.Required {
				def = "required"
			}
			t.add(attr.Name, typ, def, attr.Doc)
		}
		t.write(a)
	}
	for _, b := range body.Blocks {
		a.bodyRows(under+"."+b.Name, b.Body)
	}
}
