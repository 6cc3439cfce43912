package config

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/taskhost/taskhost/host/internal/catalog"
	"github.com/taskhost/taskhost/host/internal/task"
	"github.com/taskhost/taskhost/sdk/schema"
	"github.com/taskhost/taskhost/sdk/wire"
)

// The configs of the plugins that tests know.
type checkConfig struct {
	URL          string        `task:"url" doc:"what is looked at"`
	Method       string        `task:"method,optional" default:"GET" oneof:"GET HEAD POST" doc:"the request's method"`
	Timeout      time.Duration `task:"timeout,optional" default:"10s" doc:"of one request"`
	ExpectStatus []int         `task:"expect_status,optional" min:"1" doc:"the accepted answers"`
	Token        string        `task:"token,optional,sensitive" doc:"sent as bearer token"`
	Headers      []header      `task:"header,block" doc:"sent with the request"`
}

type header struct {
	Name  string `task:"name,label"`
	Value string `task:"value"`
}

type execConfig struct {
	Command []string          `task:"command,optional"`
	Shell   string            `task:"shell,optional"`
	Input   string            `task:"input,optional"`
	Env     map[string]string `task:"env,optional"`
}

type limitsConfig struct {
	Least int `task:"least"`
	Most  int `task:"most"`
}

// The messages of the plugins that tests know.
type urlMessage struct {
	URL   string `json:"url"`
	Depth int    `json:"depth,omitempty"`
}

type pageMessage struct {
	URL    string   `json:"url"`
	Status int      `json:"status"`
	Links  []string `json:"links,omitempty"`
}

type rowMessage struct {
	Customer string `json:"customer"`
	Amount   int    `json:"amount"`
}

// looseMessage is one whose fields are of other types than those of rowMessage.
type looseMessage struct {
	Customer int  `json:"customer"`
	Amount   bool `json:"amount"`
	Note     int  `json:"note"`
	Paid     int  `json:"paid"`
}

// fakePlugins behaves as the catalog does, over plugins made of real schemas.
type fakePlugins struct {
	plugins map[string]wire.Description
}

// digestOf is the digest of a fake plugin's binary.
func digestOf(name string) string {
	return strings.Repeat(fmt.Sprintf("%02x", len(name)), 32)
}

func body[T any]() schema.Body {
	b, err := schema.Of[T]()
	if err != nil {
		panic(err)
	}
	return b
}

func message[T any]() schema.Value {
	v, err := schema.ValueOf[T]()
	if err != nil {
		panic(err)
	}
	return v
}

// consumer is a continuous type that handles messages of T.
func consumer[T any](name string, batch bool, outputs ...wire.Output) wire.Type {
	v := message[T]()
	return wire.Type{Name: name, Modes: []string{"continuous"}, Config: body[struct{}](), Message: &v, Batch: batch, Outputs: outputs}
}

// anything is an output whose names are those that are wired.
var anything = wire.Output{Name: wire.AnyOutput, Message: message[json.RawMessage]()}

func newFakePlugins() fakePlugins {
	return fakePlugins{map[string]wire.Description{
		"http": {Plugin: "http", Version: "1.4.0", Types: []wire.Type{
			{Name: "check", Modes: []string{"periodic", "on_demand"}, Config: body[checkConfig]()},
			consumer[urlMessage]("fetch", false, wire.Output{Name: "pages", Message: message[pageMessage]()}),
			consumer[pageMessage]("forward", false),
		}},
		"erp": {Plugin: "erp", Types: []wire.Type{
			{Name: "poll", Modes: []string{"periodic"}, Config: body[struct{}](), Outputs: []wire.Output{
				{Name: "orders", Message: message[rowMessage]()}, {Name: "errors", Message: message[string]()},
			}},
			consumer[rowMessage]("load", true, wire.Output{Name: "invoices", Message: message[rowMessage]()}),
			consumer[rowMessage]("post", false, wire.Output{Name: "again", Message: message[rowMessage]()}),
			consumer[looseMessage]("loose", false),
			consumer[json.RawMessage]("any", false),
			consumer[string]("texts", false),
		}},
		"exec": {Plugin: "exec", Types: []wire.Type{{Name: "command", Modes: []string{"periodic", "continuous", "on_demand"}, Config: body[execConfig]()}}},
		"shell": {Plugin: "shell", Types: []wire.Type{
			{Name: "command", Modes: []string{"periodic", "continuous", "on_demand"}, Config: body[struct{}](), Outputs: []wire.Output{anything}},
			consumer[json.RawMessage]("handle", false, anything),
			consumer[json.RawMessage]("handle_batch", true, anything),
		}},
		"looper": {Plugin: "looper", Types: []wire.Type{{Name: "loop", Modes: []string{"continuous"}, Loop: true, Config: body[struct{}]()}}},
		"limits": {Plugin: "limits", Types: []wire.Type{{Name: "limits", Modes: []string{"on_demand"}, Config: body[limitsConfig](), Validates: true}}},
		"strange": {Plugin: "strange", Types: []wire.Type{{Name: "strange", Modes: []string{"on_demand"},
			Config: schema.Body{Attributes: []schema.Attribute{{Name: "Not A Name"}}}}}},
		"empty": {Plugin: "empty"},
	}}
}

func (f fakePlugins) Open(_ context.Context, spec catalog.Spec) (*catalog.Plugin, error) {
	switch spec.Name {
	case "broken":
		return nil, &task.LaunchError{Kind: task.LaunchNotPlugin, Detail: `plugin "broken" is not a taskhost plugin: it printed "hello"`, Remedy: "build it with the SDK"}
	case "script":
		return nil, &task.LaunchError{Kind: task.LaunchNotExec, Detail: `plugin "script" (bin/script) is not executable`, Remedy: "chmod +x it"}
	case "undescribed":
		return nil, fmt.Errorf("plugin %q has not been described yet", spec.Name)
	case "gone":
		return nil, &task.LaunchError{Kind: task.LaunchMissing, Detail: `plugin "gone": ` + spec.Path + ` does not exist`}
	}
	d, known := f.plugins[spec.Name]
	if !known {
		return nil, &task.LaunchError{Kind: task.LaunchMissing, Detail: "no such binary"}
	}
	digest := digestOf(spec.Name)
	if spec.SHA256 != "" && spec.SHA256 != digest {
		return nil, &task.LaunchError{Kind: task.LaunchChecksum,
			Detail: fmt.Sprintf("plugin %q has the digest %s, not %s", spec.Name, digest, spec.SHA256),
			Remedy: "if the new binary is meant, write its digest here"}
	}
	return &catalog.Plugin{Name: spec.Name, Path: "/copies/" + digest + "/" + spec.Name, Digest: digest, Description: d}, nil
}

func (f fakePlugins) List(string) ([]string, error) { return sortedKeys(f.plugins), nil }

// Validate asks for each config.
func (f fakePlugins) Validate(_ context.Context, p *catalog.Plugin, _ string, configs [][]byte) (out [][]schema.Problem, err error) {
	for _, config := range configs {
		found, err := f.validate(p, config)
		if err != nil {
			return nil, err
		}
		out = append(out, found)
	}
	return out, nil
}

// validate refuses limits whose least is above most.
func (f fakePlugins) validate(p *catalog.Plugin, msgpack []byte) ([]schema.Problem, error) {
	var c limitsConfig
	if err := schema.Unmarshal(p.Description.Types[0].Config, msgpack, &c); err != nil {
		return nil, err
	}
	if c.Most == 13 {
		return []schema.Problem{{Path: []schema.PathStep{schema.Attr("most")}, Summary: "13 brings bad luck", Warning: true}}, nil
	}
	if c.Least <= c.Most {
		return nil, nil
	}
	return []schema.Problem{{Path: []schema.PathStep{schema.Attr("least")}, Summary: fmt.Sprintf("%d is above most", c.Least), Detail: "swap the two"}}, nil
}
