package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

// Exit codes.
const (
	ExitOK          = 0
	ExitFailed      = 1   // the operation failed, or a run that was waited for did not succeed
	ExitUsage       = 2   // the command line, or what it asks for, is wrong; a message that is refused for what it is
	ExitNotFound    = 3   // no such task, run, plugin, queue, dead letter or generation
	ExitConflict    = 4   // something is in the way, or has changed meanwhile; a queue is full
	ExitAuth        = 5   // the host does not let the caller do it
	ExitUnreachable = 6   // no host answers; with notify: this is no command of a task
	ExitWait        = 124 // the wait ran out
)

// Silent ends with a code when everything has been said.
type Silent struct{ Code int }

func (s *Silent) Error() string { return fmt.Sprintf("exit %d", s.Code) }

// usage is a mistake in the command line.
type usage struct{ text string }

func (u *usage) Error() string { return u.text }

func usagef(format string, args ...any) error { return &usage{fmt.Sprintf(format, args...)} }

// waitError says that the wait ran out.
type waitError struct{ what string }

func (w *waitError) Error() string { return w.what }

// Codes of refusals: of a message that the queue has no room for, and of a configuration with errors.
const (
	codeQueueFull     = "queue_full"
	codeConfigInvalid = "config_invalid"
)

func exitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if s, ok := errors.AsType[*Silent](err); ok {
		return s.Code
	}
	if _, ok := errors.AsType[*usage](err); ok {
		return ExitUsage
	}
	if _, ok := errors.AsType[*waitError](err); ok {
		return ExitWait
	}
	if _, ok := errors.AsType[*NotDeclared](err); ok {
		return ExitNotFound
	}
	if _, ok := errors.AsType[*admin.UnreachableError](err); ok {
		return ExitUnreachable
	}
	if _, ok := errors.AsType[*outside](err); ok {
		return ExitUnreachable
	}
	if p := admin.AsProblem(err); p != nil {
		switch p.Code {
		case codeQueueFull:
			return ExitConflict
		case codeConfigInvalid:
			return ExitFailed
		}
		return exitOfStatus(p.Status)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return ExitWait
	}
	return ExitFailed
}

func exitOfStatus(status int) int {
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return ExitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return ExitConflict
	case http.StatusUnauthorized, http.StatusForbidden:
		return ExitAuth
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return ExitUsage
	case http.StatusGatewayTimeout:
		return ExitWait
	}
	return ExitFailed
}

// exactly wants one argument for each name.
func exactly(names ...string) cobra.PositionalArgs {
	return between(len(names), names...)
}

// between wants at least so many of the named arguments, and no more than all.
func between(least int, names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usagef("%s needs %s: %s", c.CommandPath(), strings.Join(names[len(args):least], " and "), singleDash(c.UseLine()))
		case len(args) > len(names):
			return usagef("%s takes no %q: %s", c.CommandPath(), args[len(names)], singleDash(c.UseLine()))
		}
		return nil
	}
}

// some wants at least one argument.
func some(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("%s needs %s: %s", c.CommandPath(), name, singleDash(c.UseLine()))
		}
		return nil
	}
}
