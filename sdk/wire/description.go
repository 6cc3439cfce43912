package wire

import "github.com/taskhost/taskhost/sdk/schema"

// Description is what a plugin says of itself: `PLUGIN describe` prints it as JSON, and
// DescribeResponse carries the same text.
type Description struct {
	Plugin   string   `json:"plugin"`
	Version  string   `json:"version"`
	Doc      string   `json:"doc,omitempty"`
	Protocol int      `json:"protocol"`
	SDK      string   `json:"sdk,omitempty"` // version of the SDK that built it
	Features []string `json:"features,omitempty"`
	Types    []Type   `json:"types"`
}

// Type is one kind of task that a plugin serves.
type Type struct {
	Name      string        `json:"name"`
	Doc       string        `json:"doc,omitempty"`
	Modes     []string      `json:"modes"`          // periodic, continuous, on_demand
	Loop      bool          `json:"loop,omitempty"` // step after step; takes continuous { pause }
	Config    schema.Body   `json:"config"`
	Schema    string        `json:"schema_hash"` // Config.Hash()
	Input     *schema.Value `json:"input,omitempty"`
	Result    *schema.Value `json:"result,omitempty"`
	Methods   []Method      `json:"methods,omitempty"`
	Outputs   []Output      `json:"outputs,omitempty"`
	Validates bool          `json:"validates,omitempty"` // has checks over several fields
}

// Method is a request to the living task, with a reply.
type Method struct {
	Name   string       `json:"name"`
	Doc    string       `json:"doc,omitempty"`
	Input  schema.Value `json:"input"`
	Result schema.Value `json:"result"`
}

// Output is a named exit for messages, wired to a queue in HCL.
type Output struct {
	Name    string       `json:"name"`
	Doc     string       `json:"doc,omitempty"`
	Message schema.Value `json:"message"`
}
