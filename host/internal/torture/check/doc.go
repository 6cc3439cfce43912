// Package check judges what is left after a host and its plugins were killed again and again: evidence in, faults out.
//
// It is pure, and says only what the evidence proves. A process was alive at the time of each line of its journal; how
// long it lived after the last one nobody knows. A commit was made when it was acknowledged, or when its effect was
// seen; one that was begun and not acknowledged may have been made or not.
package check
