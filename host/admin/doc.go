// Package admin is the admin API as its callers see it: the JSON types of every
// route and a Go client for them. Programs and the taskhost CLI call it; it promises
// that what a host of the same major version sends decodes into these types, and that
// every refusal comes back as a *Problem with a stable code and a remedy. It imports
// nothing of the host, and it keeps no state beside its connections.
package admin
