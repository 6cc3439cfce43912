// Package notify tells people and programs outside of the host how its tasks are. A machine, which is pure, makes
// messages of the transitions in the stream of events: for each notify block one, with groups and repetitions. A
// message and the machine's new state, its place in the stream included, are one commit; from a durable queue the
// messages go out by webhook, e-mail or command, again and again until they arrive or are given up. So a host that is
// killed loses no transition and tells none that it had told; a message that was on its way may come twice, with the
// same id.
//
// Beside that, alerts are judged over what tasks publish, and heartbeats tell a watcher outside that the host is there.
package notify
