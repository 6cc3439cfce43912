package app

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// inviteToPage says where the page is. A person at a terminal gets a link that lets in who opens it first; a log,
// which others may read, does not.
func (h *host) inviteToPage() {
	for _, addr := range h.listens {
		if strings.HasPrefix(addr, "unix:") {
			continue
		}
		f, ok := h.options.Out.(*os.File)
		if ok && term.IsTerminal(int(f.Fd())) {
			fmt.Fprintf(h.options.Out, "  page   %s://%s/ui/#once=%s   (one use, 10 min)\n", scheme(h.doors.listen), addr, h.page.Link(h.doors.text))
		} else {
			fmt.Fprintf(h.options.Out, "  page   %s://%s/ui/   token in %s\n", scheme(h.doors.listen), addr, h.data.join("admin.token"))
		}
		return
	}
}
