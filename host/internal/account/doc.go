// Package account says what the user and the group of a task mean on this machine, and whether
// the host may switch to them. It changes nothing.
package account
