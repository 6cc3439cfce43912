package cli

import (
	"time"

	"github.com/spf13/cobra/doc"
)

// ManPages writes a page of section 1 per command into a directory.
func ManPages(dir string) error {
	root := (&app{}).root()
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	root.DisableAutoGenTag = true
	epoch := time.Unix(0, 0) // the same pages from the same source
	return doc.GenManTree(root, &doc.GenManHeader{Title: "TASKHOST", Section: "1", Source: "taskhost", Manual: "taskhost manual", Date: &epoch}, dir)
}
