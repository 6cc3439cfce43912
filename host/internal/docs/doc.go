// Package docs holds the documentation to what the code does. Its tests write the
// reference under docs/reference (with -update, as `make generate` calls them) and
// fail when it is out of date; they run the README's first plugin word for word,
// validate every piece of HCL in the README and under docs, and parse every taskhost
// command line there. It exports nothing and is in no binary.
package docs
