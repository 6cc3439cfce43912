package audit

import "time"

// Record is one line.
type Record struct {
	Seq       uint64    `json:"seq"`
	At        time.Time `json:"at"`
	Request   string    `json:"request_id,omitempty"`
	Actor     string    `json:"actor,omitempty"` // "" is a stranger
	Via       string    `json:"via,omitempty"`   // unix, token, certificate
	UID       *int      `json:"uid,omitempty"`
	Transport string    `json:"transport,omitempty"` // unix, tcp, tls; with ingress before it
	Peer      string    `json:"peer,omitempty"`      // address of the other end
	Route     string    `json:"route,omitempty"`
	Task      string    `json:"task,omitempty"`
	Queue     string    `json:"queue,omitempty"`
	Run       string    `json:"run,omitempty"`
	Name      string    `json:"name,omitempty"` // what else the route names: a method, a key, a token
	Reason    string    `json:"reason,omitempty"`
	Status    int       `json:"status,omitempty"`
	Code      string    `json:"code,omitempty"` // of the refusal
	Changed   *bool     `json:"changed,omitempty"`
	Tasks     []string  `json:"tasks,omitempty"` // that an action changed
	Count     int       `json:"count,omitempty"` // so many more like the one before, up to At
	Lost      int       `json:"lost,omitempty"`  // so many lines before this one could not be written
}
