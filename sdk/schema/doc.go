// Package schema describes typed configuration and messages, so that both
// sides of a process boundary check them by the same rules.
//
// A plugin author's config struct becomes a [Body] (by [Of]); the Body travels
// as JSON, and the host decodes HCL with it ([Body.Decode]) and sends the
// result as msgpack ([Decoded.Msgpack]), which the plugin turns back into the
// struct ([Unmarshal]). A Go type that travels as JSON (a job's input and
// result, a method's argument and reply, a queue's message) becomes a [Value],
// which checks a message ([Value.Check]), says whether another type's messages
// fit ([Value.Accepts]) and explains itself ([Value.JSONSchema]).
//
// The package promises that every diagnostic has a source range, that a
// sensitive value never appears in a message, and that no input, however
// wrong, makes it panic. It is used by sdk/task, sdk/tasktest and the host's
// config and API. It reads no files, knows nothing of tasks, and keeps no
// state: every function may be called from several goroutines.
package schema
