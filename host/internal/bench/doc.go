// Command bench measures what the host promises to be fast at, and prints each
// figure beside a floor that was measured in the same run on the same machine: what
// go-plugin and gRPC do there without a host. The ratios are what counts; times
// alone say more about the machine. `make bench` runs all of it, `-quick` a short
// form of it, `-row N` one row.
//
// It starts the real host on a config of its own in a temporary directory, with the
// plugin in probe, and the floors in bare. Everything stays on this machine, and
// everything that it starts has ended when it ends. A missed target is printed and
// is no failure of the command. It knows nothing of how the host works.
package main
