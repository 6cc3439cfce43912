// Package config turns HCL files into task definitions. Load reads files and
// directories, evaluates variables, locals and functions, checks everything that
// can be checked before a task starts, the plugins' own configuration included,
// and reports every problem at once, in source order, each with its place and a
// remedy. The results are plain values with every default applied.
//
// It promises that no input makes it panic, that a problem in one task hides none
// in another, and that sensitive values stand in no diagnostic. The app calls it
// at start and at reload, the command line for validate and fmt.
//
// It starts no task. The only programs that it may bring to run are plugin
// binaries that describe themselves and check a configuration, through Plugins.
package config
