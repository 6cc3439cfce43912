// Package pm2 reads ecosystem files of pm2, in JSON, in YAML, and in JavaScript as far as
// it is an object without expressions.
package pm2
