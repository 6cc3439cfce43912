// Package explain says in words what a task's declaration will do, and where each value that
// matters comes from. It is pure: the normalised definition, the origins of its values and a time
// in, sentences out.
package explain
