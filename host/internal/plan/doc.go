// Package plan says what it would mean for a host to hold another configuration: which tasks go on, which restart and
// why, what their next slots would be, and which live runs would notice. It also makes the snapshot, without secrets,
// that generations are remembered by. It is pure: configurations come in, a plan goes out. The words are those of the
// admin API, because a plan is made to be shown.
package plan
