// Package archtest holds the rules of the house as ordinary Go tests: who may
// import whom, that every package says what it is for, and what tests may not do.
// It exports nothing.
package archtest
