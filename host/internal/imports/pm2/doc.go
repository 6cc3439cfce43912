// Package pm2 reads ecosystem files of pm2, in JSON, in YAML, and in JavaScript as far as
// it is an object without expressions; and what pm2 says of its processes.
package pm2
