// Package torture holds the tests that kill: a real host with real plugins and traffic over its API, killed again and
// again at random and at chosen moments, until a checker judges what is left. It exports nothing. `make torture` runs
// it for longer.
package torture
