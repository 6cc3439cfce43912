package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/taskhost/taskhost/host/internal/process"
	"github.com/taskhost/taskhost/host/internal/task"
)

// RunCommand runs a command to its end in a session of its own, and kills its whole tree when ctx ends.
type RunCommand func(ctx context.Context, c process.Command) ([]byte, task.ExitCause, error)

// maxCommandOutput bounds what a command may print, which nobody reads.
const maxCommandOutput = 1 << 20

type command struct {
	of    Exec
	input *Template
	run   RunCommand
}

// send gives the message to the command on its standard input; exit 0 is success.
func (c *command) send(ctx context.Context, m Message, attempt int) error {
	input, err := render(c.input, m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.of.Timeout)
	defer cancel()
	_, exit, err := c.run(ctx, process.Command{
		Path: c.of.Command[0], Args: c.of.Command[1:], Env: c.environ(m, attempt), Dir: c.of.Dir, Stdin: input, MaxOutput: maxCommandOutput,
	})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the command did not end within %s", c.of.Timeout)
	case err != nil:
		return fmt.Errorf("the command failed: %w", err)
	case exit.Code != 0:
		return fmt.Errorf("the command failed: %s%s", exit.Text(), lastLine(exit))
	}
	return nil
}

func lastLine(exit task.ExitCause) string {
	if len(exit.Stderr) == 0 {
		return ""
	}
	return ": " + exit.Stderr[len(exit.Stderr)-1]
}

// environ is PATH and HOME of the host, what the configuration gives, and what scripts want to know without reading JSON.
func (c *command) environ(m Message, attempt int) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for name, value := range c.of.Env {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return append(env,
		"TASKHOST_NOTIFIER="+m.Notifier, "TASKHOST_MESSAGE="+m.ID, "TASKHOST_KIND="+string(m.Kind), "TASKHOST_REPEAT="+strconv.FormatBool(m.Repeat),
		"TASKHOST_ATTEMPT="+strconv.Itoa(attempt), "TASKHOST_SUMMARY="+strings.ToValidUTF8(strings.ReplaceAll(m.Summary, "\x00", ""), ""),
		"TASKHOST_TASKS="+strings.Join(taskNames(m.Items), " "))
}
