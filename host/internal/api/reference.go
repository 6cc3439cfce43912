package api

// RouteDoc is one route as the reference shows it.
type RouteDoc struct {
	Method string
	Path   string
	Role   Role
	Stream bool // the answer may be a stream
}

// Reference lists all routes in the order of the table.
func Reference() []RouteDoc {
	all := make([]RouteDoc, 0, len(routes))
	for _, r := range routes {
		all = append(all, RouteDoc{Method: r.method, Path: r.path, Role: r.role, Stream: r.stream})
	}
	return all
}
