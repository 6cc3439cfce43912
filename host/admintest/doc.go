// Package admintest runs a real host for tests that look at it from outside: its
// binary is built, started on a config in a directory of the test, reached through
// host/admin, and nothing of it is left when the test ends. The whole-program tests
// and the examples use it; so may the tests of a shop's own config. It knows nothing of
// how the host works.
package admintest
