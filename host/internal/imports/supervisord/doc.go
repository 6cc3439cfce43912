// Package supervisord reads supervisord's configuration: each [program:x] becomes a
// continuous task.
package supervisord
