package api

import "net/http"

// ingressRoutes is all that the ingress serves.
var ingressRoutes = rowsOf("GET /healthz", "POST /v1/queues/{queue}/messages", "POST /v1/queues/{queue}/messages/batch")

// IngressHandler takes messages for the queues that are open to the ingress, and serves nothing else. It stands
// behind the same guard as the whole API.
func (a *API) IngressHandler() http.Handler { return a.ingress }

// rowsOf are the rows of the table with these patterns.
func rowsOf(patterns ...string) []route {
	var rows []route
	for _, pattern := range patterns {
		for _, r := range routes {
			if r.pattern() == pattern {
				rows = append(rows, r)
			}
		}
	}
	if len(rows) != len(patterns) {
		panic("api: the ingress names a route that is not there")
	}
	return rows
}
