package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sync/errgroup"

	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

// check is a decoded config that the plugin itself has to look at.
type check struct {
	instance *instance
	plugin   *plugin
	typ      string
	body     hcl.Body
	problems []schema.Problem
	err      error
}

// decodeConfig decodes the config block of a task with the schema of its type.
func (l *loader) decodeConfig(i *instance, p *plugin, typ *wire.Type, decoder *schema.Decoder) *check {
	body, given := hcl.EmptyBody(), false
	if blocks := i.node.blocks["config"]; len(blocks) > 0 {
		body, given = blocks[0].body, true
	}
	decoded, diags := decoder.Decode(body, i.ctx)
	for _, path := range decoded.Sensitive {
		if v, err := path.Apply(decoded.Value); err == nil {
			l.secret.add(v)
		}
	}
	diags = withoutEchoes(diags)
	for _, d := range diags {
		// An absent block has no place of its own.
		if !given || d.Subject == nil {
			d.Subject = i.node.rng.Ptr()
		}
		speakOfConfig(d, i, p, typ)
	}
	i.find.foreign(diags)
	if diags.HasErrors() {
		return nil
	}
	i.def.Config.SchemaHash = decoder.Hash()
	redacted, err := decoded.RedactedJSON()
	if err != nil {
		i.find.errorf(i.node.rng, "", "the config of task %q cannot be shown: %s", i.def.Name, err)
		return nil
	}
	i.def.Config.Redacted = redacted
	if len(decoded.Unknown) > 0 {
		// Otherwise it is known why: an error was reported for what it comes from.
		if !l.opts.blind() && !i.probe && !l.find.failed() {
			path := schema.PathOf(decoded.Unknown[0])
			i.find.errorf(schema.SourceRange(body, path), "", "%s of task %q has no known value", schema.FormatPath(path), i.def.Name)
		}
		return nil
	}
	if i.def.Config.Msgpack, err = decoded.Msgpack(typ.Config); err != nil {
		i.find.errorf(i.node.rng, "", "the config of task %q cannot be sent to the plugin: %s", i.def.Name, err)
		return nil
	}
	if !typ.Validates || l.opts.blind() {
		return nil
	}
	return &check{instance: i, plugin: p, typ: typ.Name, body: body}
}

// withoutEchoes drops what only repeats another diagnostic: that an attribute is
// missing whose name is there with a typing error.
func withoutEchoes(diags hcl.Diagnostics) hcl.Diagnostics {
	meant := map[string]bool{}
	for _, d := range diags {
		if strings.HasPrefix(d.Summary, unknownPrefix) && strings.HasPrefix(d.Detail, "Did you mean") {
			meant[quotedName(d.Detail)] = true
		}
	}
	return slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool {
		return d.Summary == missingSummary && meant[quotedName(d.Detail)]
	})
}

// How the schema's diagnostics begin, and one of HCL's that begins so, too.
const (
	unknownVariable = "Unknown variable"
	missingSummary  = "Missing required attribute"
	unknownPrefix   = "Unknown "
)

// speakOfConfig words a diagnostic of the schema for somebody who sees a whole
// file: it names the task and the plugin.
func speakOfConfig(d *hcl.Diagnostic, i *instance, p *plugin, typ *wire.Type) {
	const takes = "This block takes: "
	if strings.HasPrefix(d.Summary, unknownPrefix) && d.Summary != unknownVariable {
		d.Summary = fmt.Sprintf("%s in config of task %q", d.Summary, i.node.label)
		d.Detail = strings.Replace(d.Detail, takes, fmt.Sprintf("plugin %s, type %s, takes: ", p.name, typ.Name), 1)
		d.Detail = lowerFirst(strings.TrimSuffix(d.Detail, "."))
		return
	}
	if d.Summary == missingSummary {
		name := quotedName(d.Detail)
		d.Summary = fmt.Sprintf("config of task %q lacks %s", i.node.label, name)
		d.Detail = fmt.Sprintf("plugin %s, type %s, requires it", p.name, typ.Name)
		if doc := attributeDoc(typ.Config, name); doc != "" {
			d.Detail += ": " + doc
		}
	}
}

// quotedName is the first quoted word of a text.
func quotedName(text string) string {
	_, rest, _ := strings.Cut(text, `"`)
	name, _, _ := strings.Cut(rest, `"`)
	return name
}

func attributeDoc(b schema.Body, name string) string {
	for _, a := range b.Attributes {
		if a.Name == name {
			return a.Doc
		}
	}
	return ""
}

// What a plugin checks in one process: so many configs, together of about so many bytes.
const (
	maxBatch      = 64
	maxBatchBytes = 256 << 10
)

// key is the same for checks that have the same answer.
func (c *check) key() string { return c.kind() + string(c.instance.def.Config.Msgpack) }

// kind is the same for checks that one process can make.
func (c *check) kind() string { return c.plugin.name + "\x00" + c.typ + "\x00" }

// batches groups checks that one process can make.
func batches(checks []*check) (out [][]*check) {
	open := map[string][]*check{}
	bytes := map[string]int{}
	for _, c := range checks {
		kind, size := c.kind(), len(c.instance.def.Config.Msgpack)
		if len(open[kind]) == maxBatch || len(open[kind]) > 0 && bytes[kind]+size > maxBatchBytes {
			out = append(out, open[kind])
			open[kind], bytes[kind] = nil, 0
		}
		open[kind] = append(open[kind], c)
		bytes[kind] += size
	}
	for _, kind := range sortedKeys(open) {
		out = append(out, open[kind])
	}
	return out
}

// ask makes the checks of one batch. When that fails, each is made alone, so that it is
// known which of them the plugin cannot make.
func (l *loader) ask(batch []*check) {
	configs := make([][]byte, 0, len(batch))
	for _, c := range batch {
		configs = append(configs, c.instance.def.Config.Msgpack)
	}
	first := batch[0]
	answers, err := l.binaries.Validate(l.ctx, first.plugin.opened, first.typ, configs)
	if err != nil && len(batch) > 1 && l.ctx.Err() == nil {
		for i := range batch {
			l.ask(batch[i : i+1])
		}
		return
	}
	for i, c := range batch {
		if c.err = err; err == nil {
			c.problems = answers[i]
		}
	}
}

// askPlugins lets the plugins check the configs that they were given, some side by
// side. Equal configs of one type are asked about once.
func (l *loader) askPlugins(checks []*check) {
	asked := map[string]*check{}
	var distinct []*check
	for _, c := range checks {
		if asked[c.key()] == nil {
			asked[c.key()] = c
			distinct = append(distinct, c)
		}
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	for _, batch := range batches(distinct) {
		group.Go(func() error {
			l.ask(batch)
			return nil
		})
	}
	_ = group.Wait() // every error is kept beside its check

	for _, c := range checks {
		first := asked[c.key()]
		i := c.instance
		if first.err != nil {
			i.find.errorf(i.plugin.at(), "", "plugin %s could not check the config of task %q: %s", c.plugin.name, i.node.label, clip(first.err.Error()))
			continue
		}
		for _, problem := range first.problems {
			at := i.node.rng
			if len(i.node.blocks["config"]) > 0 {
				at = schema.SourceRange(c.body, problem.Path)
			}
			text := problem.Summary
			if path := schema.FormatPath(problem.Path); path != "" {
				text = path + ": " + text
			}
			text = fmt.Sprintf("%s (plugin %s, type %s)", text, c.plugin.name, c.typ)
			if problem.Warning {
				i.find.warnf(at, problem.Detail, "%s", text)
			} else {
				i.find.errorf(at, problem.Detail, "%s", text)
			}
		}
	}
}
