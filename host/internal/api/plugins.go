package api

import (
	"encoding/json"
	"fmt"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/wire"
)

// typeOf is what the task's plugin says of the task's type; false when it is not known.
func (a *API) typeOf(d task.Definition) (wire.Type, bool) {
	for _, p := range a.Plugins.Plugins() {
		if p.Name != d.Plugin || p.Err != nil || p.Digest != d.Config.Digest && d.Config.Digest != "" {
			continue
		}
		for _, t := range p.Description.Types {
			if t.Name == d.Type {
				return t, true
			}
		}
	}
	return wire.Type{}, false
}

func (a *API) listPlugins(r *request) (any, error) {
	items := []admin.Plugin{}
	for _, p := range a.Plugins.Plugins() {
		out, err := a.pluginOf(r, p)
		if err != nil {
			return nil, err
		}
		if !seesPlugin(r, out) {
			continue
		}
		for i := range out.Types { // the schemas are with the one plugin
			t := &out.Types[i]
			*t = admin.PluginType{Name: t.Name, Doc: t.Doc, Modes: t.Modes}
		}
		items = append(items, out)
	}
	return ended(items), nil
}

func (a *API) getPlugin(r *request) (any, error) {
	name := r.PathValue("plugin")
	var names []string
	for _, p := range a.Plugins.Plugins() {
		out, err := a.pluginOf(r, p)
		if !seesPlugin(r, out) {
			continue
		}
		if p.Name == name {
			return out, err
		}
		names = append(names, p.Name)
	}
	return nil, unknown("plugin_unknown", "plugin", short(name), "taskhost plugin list lists the plugins", names)
}

// seesPlugin reports whether the caller may see the plugin: with a scope, when a task in it uses the plugin.
func seesPlugin(r *request, p admin.Plugin) bool { return r.who.Scope.All() || len(p.Tasks) > 0 }

func (a *API) pluginOf(r *request, p Plugin) (admin.Plugin, error) {
	d := p.Description
	out := admin.Plugin{
		Name: p.Name, Version: d.Version, Doc: d.Doc, Protocol: d.Protocol, SDK: d.SDK, Features: d.Features,
		Digest: p.Digest, Pinned: p.Pinned, Path: p.Path, Tasks: []string{}, Types: []admin.PluginType{},
	}
	if p.Err != nil {
		out.Error = p.Err.Error()
	}
	for _, def := range a.definitions(r) {
		if def.Plugin == p.Name {
			out.Tasks = append(out.Tasks, def.Name)
		}
	}
	for _, t := range d.Types {
		typ, err := pluginTypeOf(t)
		if err != nil {
			return out, fmt.Errorf("describe type %s of plugin %s: %w", t.Name, p.Name, err)
		}
		out.Types = append(out.Types, typ)
	}
	return out, nil
}

func pluginTypeOf(t wire.Type) (admin.PluginType, error) {
	out := admin.PluginType{Name: t.Name, Doc: t.Doc, Modes: orEmpty(t.Modes)}
	config, err := json.Marshal(t.Config)
	if err != nil {
		return out, err
	}
	out.Config = config
	if t.Input != nil {
		out.Input = t.Input.JSONSchema()
	}
	if t.Result != nil {
		out.Result = t.Result.JSONSchema()
	}
	if t.Message != nil {
		out.Message, out.Batch = t.Message.JSONSchema(), t.Batch
	}
	for _, m := range t.Methods {
		out.Methods = append(out.Methods, admin.Method{Name: m.Name, Doc: m.Doc, Input: m.Input.JSONSchema(), Result: m.Result.JSONSchema()})
	}
	for _, o := range t.Outputs {
		out.Outputs = append(out.Outputs, admin.Output{Name: o.Name, Doc: o.Doc, Message: o.Message.JSONSchema()})
	}
	return out, nil
}
