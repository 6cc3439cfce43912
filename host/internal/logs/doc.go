// Package logs keeps a log per task as files that people can tail: JSON lines in
// DIR/TASK/current.jsonl, rotated by size to DIR/TASK/N.jsonl (N is the position of the
// first line), within a quota per task. Process and runner write through Sink, the API
// reads with Page and Follow.
//
// Every line has a position: a number that rises by one from line to line of a task,
// survives rotation and a restart of the host, and never comes twice, so that a reader
// can go on exactly where it stopped. What was dropped in a flood, and what was rotated
// away under a reader, shows as a record with Gap.
//
// Sink never waits for the disk. Lines reach their file within 100 ms; a line is lost
// when the host dies before. Logs are not synced: they are no promise, history is.
package logs
