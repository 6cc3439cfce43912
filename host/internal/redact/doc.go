// Package redact takes secret values out of what plugins say: their log lines, errors, notes and last
// words. It stands between the launcher and the runner, so that nothing behind it sees them. It
// is a last net for plugins that repeat what they were given, not a promise: a value in another form
// passes. What a plugin hands over as data (results, state, checkpoints) stays as it is.
package redact
