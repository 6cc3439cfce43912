// Package app wires the host together: it is the one place where concrete types
// meet, where the order of start and of shutdown is decided, and where signals
// arrive. The CLI calls Serve and Validate; nothing else imports it. It decides
// nothing about tasks.
package app
