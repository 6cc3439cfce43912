// Package support gathers what a host says of itself over its admin API into one archive, for
// whoever is asked for help. It reads only, and takes no data of the work: inputs, results, published
// values, checkpoints and messages stay where they are.
package support
