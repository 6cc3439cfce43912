// Package cli is the command line: it turns arguments into calls of the admin API and
// answers into text, JSON and an exit code. main runs it. It speaks to a host only through host/admin;
// what serve, validate and fmt do is given to it. Data goes to stdout, messages to stderr.
package cli
