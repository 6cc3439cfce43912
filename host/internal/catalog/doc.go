// Package catalog knows the plugin binaries: it finds them, hashes them, keeps a copy of
// each under its digest, and asks the copy what it serves.
//
// It promises that what is described, checked and executed is the same bytes: the copy
// was hashed while it was made, nobody else writes in its directory, and replacing or
// overwriting the original touches no running task. A binary is asked once per digest;
// the answer is kept on disk. config and the runner's wiring call it. It executes
// nothing but `describe` and `validate` of a copy, in an empty environment, through
// process, and it does not decide when a plugin is launched.
package catalog
