package api

import (
	"strconv"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/internal/audit"
)

// listAudit is a page of the audit log, the newest record first.
func (a *API) listAudit(r *request) (any, error) {
	q := audit.Query{Actor: r.q.Get("actor"), Task: r.q.Get("task"), Queue: r.q.Get("queue")}
	var err error
	if q.Limit, err = r.limit(100); err != nil {
		return nil, err
	}
	if q.Since, err = r.instant("since", a.Now()); err != nil {
		return nil, err
	}
	if text := r.q.Get("cursor"); text != "" {
		if q.Before, err = strconv.ParseUint(text, 10, 64); err != nil || q.Before == 0 {
			return nil, refuse("query_invalid", "the cursor does not belong to this list").with("leave it out to read from the beginning")
		}
	}
	if a.Audit == nil {
		return paged([]admin.AuditRecord{}, ""), nil
	}
	records, next, err := a.Audit.Page(r.Context(), q)
	if err != nil {
		return nil, err
	}
	items := []admin.AuditRecord{}
	for _, rec := range records {
		items = append(items, auditOf(rec))
	}
	if next == 0 {
		return paged(items, ""), nil
	}
	return paged(items, strconv.FormatUint(next, 10)), nil
}

func auditOf(r audit.Record) admin.AuditRecord {
	return admin.AuditRecord{
		Seq: r.Seq, At: admin.At(r.At), Request: r.Request, Actor: r.Actor, Via: r.Via, UID: r.UID, Transport: r.Transport, Peer: r.Peer,
		Route: r.Route, Task: r.Task, Queue: r.Queue, Run: r.Run, Name: r.Name, Reason: r.Reason,
		Status: r.Status, Code: r.Code, Changed: r.Changed, Tasks: r.Tasks, Count: r.Count, Lost: r.Lost,
	}
}
