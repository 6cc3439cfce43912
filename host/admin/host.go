package admin

import "encoding/json"

// Host is the host process itself.
type Host struct {
	State      string         `json:"state"` // running, paused, draining, stopping
	Version    string         `json:"version"`
	PID        int            `json:"pid"`
	Started    Time           `json:"started_at"`
	Generation int            `json:"generation"`
	Digest     string         `json:"digest,omitempty"`
	Config     []string       `json:"config,omitempty"` // the files and directories it was read from
	Listen     []string       `json:"listen,omitempty"`
	DataDir    string         `json:"data_dir,omitempty"`
	TimeZone   string         `json:"time_zone,omitempty"`
	Store      string         `json:"store,omitempty"` // sqlite
	Paused     *Override      `json:"paused,omitempty"`
	Tasks      map[string]int `json:"tasks"` // how many, by state
	Overrides  int            `json:"overrides"`
	Live       int            `json:"live_runs"`
	Health     Health         `json:"health"`
}

// HostResult answers a verb on the host.
type HostResult struct {
	Host
	Changed bool `json:"changed"`
}

// Group is one gate over the runs of its members.
type Group struct {
	Name    string   `json:"name"`
	Max     int      `json:"max,omitempty"`
	Rate    int      `json:"rate,omitempty"` // starts per Per
	Per     Seconds  `json:"per,omitempty"`
	Burst   int      `json:"burst,omitempty"`
	Members []string `json:"members"`
	Holding []string `json:"holding"` // runs that go on, oldest first
	Queued  []string `json:"waiting"` // runs, next first
}

// Plugin is one plugin that the configuration uses or that lies in plugin_dir.
type Plugin struct {
	Name     string       `json:"name"`
	Version  string       `json:"version,omitempty"`
	Doc      string       `json:"doc,omitempty"`
	Protocol int          `json:"protocol,omitempty"`
	SDK      string       `json:"sdk,omitempty"`
	Features []string     `json:"features,omitempty"`
	Digest   string       `json:"digest,omitempty"` // sha256
	Pinned   bool         `json:"pinned"`           // by the configuration or its lock file: no other binary is taken
	Path     string       `json:"path,omitempty"`   // where the binary was found
	Tasks    []string     `json:"tasks"`            // that use it
	Types    []PluginType `json:"types"`
	Error    string       `json:"error,omitempty"` // why it cannot be used
}

// PluginType is one type that a plugin serves.
type PluginType struct {
	Name    string          `json:"name"`
	Doc     string          `json:"doc,omitempty"`
	Modes   []string        `json:"modes"`
	Config  json.RawMessage `json:"config,omitempty"`  // its schema
	Input   json.RawMessage `json:"input,omitempty"`   // JSON Schema of a run's input
	Result  json.RawMessage `json:"result,omitempty"`  // JSON Schema of a run's result
	Message json.RawMessage `json:"message,omitempty"` // JSON Schema of the messages that it handles
	Batch   bool            `json:"batch,omitempty"`   // it handles them in batches
	Methods []Method        `json:"methods,omitempty"`
	Outputs []Output        `json:"outputs,omitempty"`
}

// Method is a request that a live task answers.
type Method struct {
	Name   string          `json:"name"`
	Doc    string          `json:"doc,omitempty"`
	Input  json.RawMessage `json:"input,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// Output is a named output of a type.
type Output struct {
	Name    string          `json:"name"`
	Doc     string          `json:"doc,omitempty"`
	Message json.RawMessage `json:"message,omitempty"`
}

// Whoami says who the host takes the caller for.
type Whoami struct {
	Name string `json:"name"` // the token's or the user's
	Role string `json:"role"` // producer, viewer, operator, admin
	Via  string `json:"via"`  // unix, token, certificate
	UID  *int   `json:"uid,omitempty"`

	Tasks   []string          `json:"tasks,omitempty"` // that the token is for; see Token
	Labels  map[string]string `json:"labels,omitempty"`
	Queues  []string          `json:"queues,omitempty"`
	Expires Time              `json:"expires_at,omitzero"`
}

// Event says that something changed; who wants the whole reads it.
type Event struct {
	Seq   uint64 `json:"seq"`
	At    Time   `json:"at"`
	Topic string `json:"topic"` // task, run, slot, state, queue, config, host; reset: some events are lost, read again
	Kind  string `json:"kind"`
	Task  string `json:"task,omitempty"`
	Run   string `json:"run,omitempty"`
	Text  string `json:"text,omitempty"`
}

// Status answers healthz and readyz.
type Status struct {
	Status string `json:"status"` // ok, unready
}
