package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

const idLength = 26 // of a run's id; a task's name may have as many characters, but then it has a dash or a dot

func (a *app) logsCommand() *cobra.Command {
	var q admin.LogQuery
	var since length
	c := &cobra.Command{
		Use: "logs TASK|RUN", Short: "Show the log of a task or a run", Args: exactly("a task's name or a run's id"), ValidArgsFunction: a.completeTask,
		RunE: func(c *cobra.Command, args []string) error {
			api, err := a.host()
			if err != nil {
				return err
			}
			q.Task, q.Since = args[0], since.d
			if len(args[0]) == idLength && !strings.ContainsAny(args[0], "-_.") && args[0][0] == '0' {
				q.Task, q.Run = "", args[0]
			}
			for r, err := range api.Logs(c.Context(), q) {
				if err != nil {
					return err
				}
				if err := a.emit(r, func() { a.logLine(r) }); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f := c.Flags()
	f.BoolVarP(&q.Follow, "follow", "f", false, "go on with what comes")
	f.VarP((*count)(&q.Tail), "tail", "n", "only the last so many lines")
	f.Var(&since, "since", "only lines of so long ago")
	f.StringVar(&q.Level, "level", "", "at least trace, debug, info, warn or error")
	f.StringVar(&q.Grep, "grep", "", "only lines that a regular expression matches")
	f.StringVar(&q.Run, "run", "", "only lines of this run")
	c.RegisterFlagCompletionFunc("level", cobra.FixedCompletions([]string{"trace", "debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (a *app) logLine(r admin.LogRecord) {
	if r.Gap > 0 {
		a.line("%s", a.dim(fmt.Sprintf("… %d lines are missing …", r.Gap)))
		return
	}
	level := fmt.Sprintf("%-5s", strings.ToUpper(r.Level))
	if a.colored() {
		switch r.Level {
		case "error":
			level = "\x1b[31m" + level + "\x1b[0m"
		case "warn":
			level = "\x1b[33m" + level + "\x1b[0m"
		}
	}
	text := admin.Printable(r.Message)
	if len(r.Fields) > 0 && string(r.Fields) != "{}" {
		text += "  " + a.dim(admin.Printable(fieldsText(r.Fields)))
	}
	a.line("%s %s %s", a.clock(r.At), level, text)
}

// fieldsText is the fields of a line as name=value, text without quotes where that is clear.
func fieldsText(raw json.RawMessage) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return string(raw)
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		value := string(fields[name])
		var text string
		if json.Unmarshal(fields[name], &text) == nil && text != "" && !strings.ContainsAny(text, " =\"\n\t") {
			value = text
		}
		parts = append(parts, name+"="+value)
	}
	return strings.Join(parts, " ")
}
