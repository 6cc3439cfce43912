// Package audit writes down who asked the host to change something, and who was refused: one JSON
// line each, in a file that is only appended to. Its caller is the API. It promises that a line is
// handed to the system before Write returns and is on the disk about a second later, that the files
// stay bounded, and that lines which could not be written are counted and told of. It never stops
// the host, and it knows nothing of requests.
package audit
