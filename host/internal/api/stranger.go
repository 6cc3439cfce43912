package api

import (
	"net/http"
	"strconv"

	"github.com/taskhost/taskhost/host/internal/audit"
)

// connecting stands for the route of somebody who was cut before he asked for one.
const connecting = "connect"

// stranger writes down who was cut because his account may not use the socket; err is that of asking who he is.
// The same account is counted by the minute.
func (l *unixListener) stranger(uid int, err error) {
	if l.audit == nil {
		return
	}
	rec := audit.Record{Transport: viaUnix, Route: connecting, Name: l.path, Status: http.StatusForbidden, Code: "forbidden"}
	key := connecting
	if err == nil {
		rec.Actor, rec.Via, rec.UID = userName(uid), viaUnix, new(uid)
		key += " " + strconv.Itoa(uid)
	}
	l.audit.Repeated(key+"\x00"+l.path, rec)
}
