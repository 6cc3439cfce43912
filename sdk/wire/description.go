package wire

import "github.com/taskhost/taskhost/sdk/schema"

// Description is what a plugin says of itself: DescribeResponse.description and `PLUGIN describe` as JSON.
type Description struct {
	Plugin   string   `json:"plugin"`
	Version  string   `json:"version"`
	Doc      string   `json:"doc,omitempty"`
	Protocol int      `json:"protocol"`
	SDK      string   `json:"sdk,omitempty"`
	Features []string `json:"features,omitempty"`
	Types    []Type   `json:"types"`
}

// Type is one task type of a plugin.
type Type struct {
	Name      string        `json:"name"`
	Doc       string        `json:"doc,omitempty"`
	Modes     []string      `json:"modes"`           // "periodic", "continuous", "on_demand"
	Loop      bool          `json:"loop,omitempty"`  // step after step; takes continuous { pause }
	Ready     bool          `json:"ready,omitempty"` // calls Ready; until then a task of it is not ready
	Config    schema.Body   `json:"config"`
	Schema    string        `json:"schema_hash"`
	Input     *schema.Value `json:"input,omitempty"`
	Result    *schema.Value `json:"result,omitempty"`
	Methods   []Method      `json:"methods,omitempty"`
	Message   *schema.Value `json:"message,omitempty"` // what it consumes; such a task needs a consume block
	Batch     bool          `json:"batch,omitempty"`   // it consumes messages in batches
	Outputs   []Output      `json:"outputs,omitempty"`
	Validates bool          `json:"validates,omitempty"` // has cross-field checks (PLUGIN validate)
}

// Method is a request that a live task of the type answers.
type Method struct {
	Name   string       `json:"name"`
	Doc    string       `json:"doc,omitempty"`
	Input  schema.Value `json:"input"`
	Result schema.Value `json:"result"`
}

// AnyOutput is the name of an output that stands for every name that HCL wires.
const AnyOutput = "*"

// Output is a named stream of messages that the type emits; HCL wires it to a queue.
type Output struct {
	Name    string       `json:"name"`
	Doc     string       `json:"doc,omitempty"`
	Message schema.Value `json:"message"`
}
