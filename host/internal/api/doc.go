// Package api serves the admin API: the routes, who may use them, and the translation
// between the nouns of the host and the JSON types of host/admin. Callers are the CLI, the
// page and any HTTP client. It promises that every request passes one default-deny guard,
// that every refusal is a problem document with a stable code and a remedy, and that
// nobody can hold it up. It decides nothing about tasks: commands go to the Fleet, reads
// come from the store and the feed, and it never touches a process.
package api
