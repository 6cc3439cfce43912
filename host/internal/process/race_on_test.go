//go:build race

package process

// raceDetector: the test's plugins are built with it too; it takes its own memory beside Go's.
const raceDetector = true
