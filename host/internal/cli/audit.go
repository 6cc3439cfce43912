package cli

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/taskhost/taskhost/host/admin"
)

func (a *app) auditCommand() *cobra.Command {
	var q admin.AuditQuery
	var since length
	n := 50
	c := &cobra.Command{
		Use: "audit", Short: "Show who asked for a change, and who was refused, newest first", Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			q.Since = since.d
			api, err := a.host()
			if err != nil {
				return err
			}
			records, err := admin.Collect(n, func(limit int, cursor string) (admin.List[admin.AuditRecord], error) {
				q.Limit, q.Cursor = limit, cursor
				return api.Audit(c.Context(), q)
			})
			if err != nil {
				return err
			}
			return emitAll(a, records, func(r admin.AuditRecord) string { return r.Request }, func() { a.showAudit(records) })
		},
	}
	f := c.Flags()
	f.StringVar(&q.Actor, "actor", "", "only what this one did: a token, a user or a certificate by name")
	f.StringVar(&q.Task, "task", "", "only what concerns this task")
	f.StringVar(&q.Queue, "queue", "", "only what concerns this queue")
	f.Var(&since, "since", "only what is not older: 1h, 7d")
	f.VarP((*count)(&n), "count", "n", "how many records")
	return c
}

func (a *app) showAudit(records []admin.AuditRecord) {
	t := newTable("AT", "WHO", "FROM", "DID", "RESULT", "REASON")
	for _, r := range records {
		t.add(a.clock(r.At), whoWord(r), strings.TrimSpace(r.Transport+" "+r.Peer), didWord(r), resultWord(r), oneLine(r.Reason))
	}
	t.write(a)
}

func whoWord(r admin.AuditRecord) string {
	if r.Actor == "" {
		return "nobody known"
	}
	return r.Actor + " (" + r.Via + ")"
}

// didWord is the route with its names filled in.
func didWord(r admin.AuditRecord) string {
	text := strings.NewReplacer("{task}", r.Task, "{queue}", r.Queue, "{run}", r.Run).Replace(r.Route)
	before, rest, _ := strings.Cut(text, "{")
	if _, after, ok := strings.Cut(rest, "}"); ok {
		text = before + r.Name + after
	} else if r.Name != "" {
		text += ": " + r.Name
	}
	if len(r.Tasks) > 0 {
		text += ": " + strings.Join(r.Tasks, ", ")
	}
	return text
}

func resultWord(r admin.AuditRecord) string {
	text := strconv.Itoa(r.Status)
	switch {
	case r.Code != "":
		text += " " + r.Code
	case r.Changed != nil && !*r.Changed:
		text += " was already so"
	}
	if r.Count > 0 {
		text += ", " + strconv.Itoa(r.Count) + " more like it"
	}
	if r.Lost > 0 {
		text += "; " + plural(r.Lost, "record") + " before it lost"
	}
	return text
}
