package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

// Finding is what an examination found out about one thing.
type Finding struct {
	Check  string `json:"check"`
	Level  string `json:"level"` // ok, info, warning, error
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

func (a *app) doctorCommand() *cobra.Command {
	var s Sources
	c := &cobra.Command{
		Use: "doctor", Short: "Look at the machine as a host would meet it: directories, limits, clock, disk, kernel; exit 1 when something is wrong", Args: exactly(),
	}
	s.flags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := s.read(nil); err != nil {
			return err
		}
		found, err := a.commands.Examine(c.Context(), s)
		if err != nil {
			return err
		}
		if err := emitAll(a, found, func(f Finding) string { return f.Level + " " + f.Check }, func() { a.showFindings(found) }); err != nil {
			return err
		}
		if slices.ContainsFunc(found, func(f Finding) bool { return f.Level == "error" }) {
			return &Silent{ExitFailed}
		}
		return nil
	}
	return c
}

func (a *app) showFindings(found []Finding) {
	for _, f := range found {
		a.line("%-16s %-8s %s", f.Check, f.Level, admin.Printable(f.Detail))
		if f.Remedy != "" {
			a.line("%-16s %-8s → %s", "", "", f.Remedy)
		}
	}
}
