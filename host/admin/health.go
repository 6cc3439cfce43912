package admin

// Readiness is whether the host is ready to work, and what that rests on.
type Readiness struct {
	Status string        `json:"status"` // ok, unready
	Checks []HealthCheck `json:"checks"`
}

// HealthCheck is one thing that readiness rests on.
type HealthCheck struct {
	Name   string `json:"name"`   // host, scheduler, store, disk, config, listeners, …
	Status string `json:"status"` // ok, failed
	Detail string `json:"detail,omitempty"`
}
