package task

import (
	"os"

	"github.com/taskhost/taskhost/sdk/internal/session"
	"github.com/taskhost/taskhost/sdk/wire"
)

// Serve is the whole main of a plugin: it never returns. Started by a host it
// serves the plugin's types until the host ends it; started by a person it is a
// command line tool (`help` explains it). It panics when the plugin is declared
// wrongly: a bad name, a config struct that no schema can describe, a method that
// does not fit.
//
// While it serves, what author code prints or logs with package log or log/slog
// goes to the task's log. SIGTERM drains every task, as a graceful stop does;
// SIGINT is for the host alone. When the host dies, tasks drain for a few seconds
// (the host says how many), then their contexts end with [ErrHostGone], then the
// process exits with code 113.
func Serve(p Plugin) {
	description, types, err := p.Build()
	if err != nil {
		panic("task.Serve: " + err.Error())
	}
	if len(os.Args) == 1 && os.Getenv(wire.CookieKey) == wire.CookieValue {
		exit(serveHost(description, types))
	}
	c := command{
		description: description, types: types,
		args: os.Args[1:], in: os.Stdin, out: os.Stdout, err: os.Stderr,
		environment: os.LookupEnv,
	}
	os.Exit(c.run())
}

// typeNamed finds a type; with name "" the only one.
func typeNamed(types []session.Type, name string) *session.Type {
	if name == "" && len(types) == 1 {
		return &types[0]
	}
	for i := range types {
		if types[i].Description.Name == name {
			return &types[i]
		}
	}
	return nil
}
