// Package notify is what a command and the plugin that runs it say to each other: requests over a Unix socket, each with
// one answer. `taskhost notify` speaks it for shell scripts, and the exec plugin listens.
//
// The socket's path stands in the variable [Env]. A request is one line of JSON, and so is its answer. The socket is
// there as long as the command is. It is no way into the host: a command reaches its own run and nothing else.
package notify
