// Package docs holds the documentation to what the code does. Its tests write the
// reference under docs/reference (with -update, as `make generate` calls them) and
// fail when it is out of date; they run the README's tour and first plugin and the tutorial word for word,
// validate every piece of HCL in the module's Markdown, parse every taskhost command
// line and piece of Go there, and follow every link. It exports nothing and is in no binary.
package docs
