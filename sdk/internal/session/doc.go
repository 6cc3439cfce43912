// Package session is the plugin's side of the wire: it serves the Task service
// for the types of one plugin, keeps one instance per task, runs author code and
// tells the host how it went.
//
// It promises that the goroutine that reads a session never runs author code,
// that a panic in author code becomes a result, that frames keep their order,
// and that nothing an author passes in (a huge value, a text that is no UTF-8)
// can break the session. Package task puts the author's API in front of it and
// serves it to a host; tasktest and `run --once` drive the very same code in
// memory. It knows nothing of processes, sockets or HCL.
package session
