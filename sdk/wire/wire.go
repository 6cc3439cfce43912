// Package wire is the contract between the host and a plugin process: the
// handshake, the protocol version, the generated messages of task.proto (in
// taskv1) and the description that a plugin gives of itself. It is public only
// because both sides need it; plugin authors import sdk/task instead. It holds
// no behaviour: process speaks it for the host, sdk/task for the plugin.
package wire

//go:generate go run ./internal/gen

const (
	// ProtocolVersion is the version of the wire that this module speaks.
	ProtocolVersion = 1

	// Release is the version of this module's tree, for builds that carry none of their own.
	Release = "0.1.0"

	// ServiceName is the name under which go-plugin dispenses the Task service.
	ServiceName = "task"

	// CookieKey and CookieValue make a plugin say "I am a plugin" instead of
	// hanging when a person starts it by hand. They are no secret.
	CookieKey   = "TASKHOST_PLUGIN"
	CookieValue = "6f1d3c0a-task-plugin"

	// DefaultMaxFrame is the number of bytes that either side may send in one
	// Session frame. The SDK checks it first, so that the author sees a readable error.
	DefaultMaxFrame = 1 << 20

	// MinMaxFrame is the least that a host may allow: texts and stacks must fit.
	MinMaxFrame = 64 << 10

	// MaxMessage bounds every gRPC message in both directions, in bytes.
	MaxMessage = 16 << 20

	// LifelineEnv tells a plugin that its stdin is the host's lifeline: EOF there
	// means that the host is gone. Its value is the number of seconds that the
	// plugin may take to drain after that.
	LifelineEnv = "TASKHOST_LIFELINE"

	// DebuggerEnv, when it is set, makes a plugin wait for a debugger before it shakes hands. A plugin that does not
	// know it does not wait.
	DebuggerEnv = "TASKHOST_WAIT_FOR_DEBUGGER"
)

// Features of protocol version 1 that a plugin may or may not have; a plugin
// lists its own in its Description.
const (
	FeatureMethods = "methods"
	FeatureResume  = "resume"
	FeatureQueues  = "queues"
)

// SavesKey is a run-scoped value that the SDK keeps beside the author's: how many commits of the run have saved
// something. It is part of the ids that are derived for emitted messages, so that a run which goes on from what it
// has saved may emit an equal message anew, and one that repeats what it did not get to save emits the same one.
const SavesKey = "~saves"

// TaskKey names the instance in every log record of one that shares its process.
const TaskKey = "@task"

// TaskLabel is the label of the goroutines that run author code of such an instance.
const TaskLabel = "taskhost.task"
