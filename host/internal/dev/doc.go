// Package dev builds a plugin that is being worked on, notices when its files change, and keeps the place in
// which a host of its own runs it.
package dev
