// Package systemd reads service and timer units: a service with a timer becomes a
// periodic task, one without a continuous or on-demand one.
package systemd
