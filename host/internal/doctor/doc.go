// Package doctor looks at a machine as a host would meet it: directories, limits, clock,
// disk and kernel, each with what to do about it. It changes nothing and needs no host.
package doctor
