package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

// consuming is a consume block with the places that later checks speak of.
type consuming struct {
	queue   string // "" when its label is missing
	at      hcl.Range
	rng     hcl.Range
	orderAt hcl.Range
	batch   bool // a batch block is given
	batchAt hcl.Range
}

// wiring is an output block.
type wiring struct {
	output  string
	at      hcl.Range // of the label
	queue   string    // "" when it is not known
	queueAt hcl.Range
}

var defaultBatch = task.Batch{Size: 100, Wait: time.Second}

// consumes reads the consume block.
func (i *instance) consumes(s section) {
	c, given := s.block("consume")
	if !given {
		return
	}
	n := c.layers[0].node
	i.consume = &consuming{queue: n.label, at: n.labelRng, rng: n.rng}
	def := &task.Consume{Queue: n.label, Concurrency: c.integer("concurrency", 1, 1, 1000)}
	def.Rate, def.Per = c.rate("rate")
	def.OrderBy = i.orderBy(c)

	batch, given := c.block("batch")
	size := batch.integer("size", defaultBatch.Size, 1, 1000)
	wait := batch.duration("wait", defaultBatch.Wait, 0)
	if given {
		i.consume.batch, i.consume.batchAt = true, batch.rng
		def.Batch = task.Batch{Size: size, Wait: wait}
	}
	if given && def.OrderBy != "" {
		i.find.errorf(batch.rng, "keep one of them", "batch and order_by exclude each other: the messages of a batch are handled together")
	}
	if i.def.Mode != task.Continuous {
		if i.def.Mode != "" {
			i.find.errorf(n.rng, "make it continuous", "task %q is %s and cannot consume a queue", i.node.label, i.def.Mode)
		}
		return
	}
	i.def.Consume = def
}

func (i *instance) orderBy(c section) string {
	field, v, ok := c.text("order_by")
	if !ok {
		return ""
	}
	i.consume.orderAt = v.at()
	if field == "" || field[0] == '@' && field != task.OrderByKey {
		i.find.errorf(v.at(), fmt.Sprintf("name a field of the message, or %q", task.OrderByKey), "order_by: %q is not a field", clip(field))
		return ""
	}
	return field
}

// wires reads the output blocks.
func (i *instance) wires() {
	seen := map[string]bool{}
	for _, n := range i.node.blocks["output"] {
		s := i.section(n)
		queue, v, ok := s.text("queue")
		switch {
		case n.labelRng.Filename == "": // the label is missing, which was reported
			continue
		case seen[n.label]:
			i.find.errorf(n.rng, "an output goes to one queue", "a second output %q", clip(n.label))
			continue
		case v.expr == nil:
			i.find.errorf(n.rng, `add queue = "…"`, "output %q names no queue", clip(n.label))
		}
		seen[n.label] = true
		w := wiring{output: n.label, at: n.labelRng}
		if ok {
			w.queue, w.queueAt = queue, v.at()
			if i.def.Outputs == nil {
				i.def.Outputs = map[string]string{}
			}
			i.def.Outputs[n.label] = queue
		}
		i.outputs = append(i.outputs, w)
	}
}

// fit checks consume and output blocks against what the type says of itself.
func (i *instance) fit(p *plugin) {
	i.fitOutputs(p)
	typ := i.serves
	switch {
	case typ.Message == nil && i.consume != nil:
		i.find.errorf(i.consume.rng, otherConsumers(p), "plugin %s: type %q handles no messages", p.name, typ.Name)
	case typ.Message != nil && i.consume == nil && i.def.Mode == task.Continuous:
		i.find.errorf(i.node.rng, `add consume "…" {}`, "plugin %s: type %q handles messages, and task %q consumes no queue", p.name, typ.Name, i.node.label)
	case typ.Message != nil && i.def.Consume != nil:
		i.fitBatch(p)
		i.fitOrder(p)
	}
}

// otherConsumers suggests the types of a plugin that handle messages.
func otherConsumers(p *plugin) string {
	var names []string
	for _, t := range p.opened.Description.Types {
		if t.Message != nil {
			names = append(names, t.Name)
		}
	}
	if len(names) == 0 {
		return "no type of this plugin does"
	}
	return "these do: " + strings.Join(names, ", ")
}

func (i *instance) fitBatch(p *plugin) {
	c, typ := i.def.Consume, i.serves
	switch {
	case !typ.Batch && i.consume.batch:
		c.Batch = task.Batch{}
		i.find.errorf(i.consume.batchAt, "remove batch", "plugin %s: type %q handles messages one by one", p.name, typ.Name)
	case typ.Batch && !i.consume.batch:
		c.Batch = defaultBatch
		if c.OrderBy != "" {
			i.find.errorf(i.consume.orderAt, "remove order_by", "plugin %s: type %q handles messages in batches, which have no order", p.name, typ.Name)
		}
	}
}

// fitOrder checks that messages have the field that orders them.
func (i *instance) fitOrder(p *plugin) {
	field, message := i.def.Consume.OrderBy, *i.serves.Message
	if message.Ref != "" {
		message = message.Defs[message.Ref]
	}
	if field == "" || field == task.OrderByKey || message.Type == schema.ValueAny || message.Type == schema.ValueMap {
		return
	}
	var names []string
	for _, f := range message.Fields {
		if f.Name == field {
			return
		}
		names = append(names, f.Name)
	}
	i.find.errorf(i.consume.orderAt, nearHint(field, names), "order_by: the messages of plugin %s, type %q, have no field %q", p.name, i.serves.Name, clip(field))
}

// nameOutputs checks the names of outputs of a type that takes any.
func (i *instance) nameOutputs() {
	for _, w := range i.outputs {
		if !task.ValidName(w.output) {
			i.find.errorf(w.at, "1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit", "bad name %q of an output", clip(w.output))
		}
	}
}

// fitOutputs checks that exactly the outputs of the type are wired.
func (i *instance) fitOutputs(p *plugin) {
	wired, known := map[string]bool{}, []string{}
	for _, w := range i.outputs {
		wired[w.output] = true
	}
	for _, o := range i.serves.Outputs {
		if o.Name == wire.AnyOutput {
			i.nameOutputs()
			return
		}
		known = append(known, o.Name)
	}
	missing := map[string]bool{}
	for _, name := range known {
		missing[name] = !wired[name]
	}
	for _, w := range i.outputs {
		if _, has := missing[w.output]; has {
			continue
		}
		i.find.errorf(w.at, nearHint(w.output, known), "plugin %s: type %q has no output %q", p.name, i.serves.Name, clip(w.output))
		if near, ok := schema.Nearest(w.output, known); ok {
			missing[near] = false // it was meant
		}
	}
	for _, name := range known {
		if missing[name] {
			i.find.errorf(i.node.rng, fmt.Sprintf(`add output %q { queue = "…" }`, name), "output %q of task %q is not wired (plugin %s, type %s)", name, i.node.label, p.name, i.serves.Name)
		}
	}
}
