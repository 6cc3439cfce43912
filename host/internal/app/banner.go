package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/taskhost/taskhost/sdk/schema"
)

// summary is the configuration in a few words.
func (h *host) summary() string {
	tasks := "1 task"
	if n := len(h.reloads.now.Load().config.Tasks); n != 1 {
		tasks = fmt.Sprintf("%d tasks", n)
	}
	return fmt.Sprintf("generation %d · %s", h.reloads.number(), tasks)
}

// tellReady says that the host is up, to whoever wants to know. Who asks whether it is ready finds the banner written.
func (h *host) tellReady() {
	if h.options.Ready == nil {
		h.banner()
	}
	h.verbs.setReady()
	if h.options.Ready != nil {
		h.options.Ready()
	}
}

// banner says what was started and how to reach it.
func (h *host) banner() {
	c, out := h.config, h.options.Out
	fmt.Fprintf(out, "taskhost %s · %s · %s\n", h.options.Version, strings.Join(h.options.Paths, ", "), h.summary())
	h.inviteToPage()
	for _, addr := range h.listens {
		if path, ok := strings.CutPrefix(addr, "unix:"); ok {
			fmt.Fprintf(out, "  api    socket %s   try: curl -s --unix-socket %s http://th/v1/tasks\n", path, path)
			continue
		}
		fmt.Fprintf(out, "  api    %s://%s/v1   token in %s\n", scheme(h.doors.listen), addr, h.data.join("admin.token"))
	}
	for _, addr := range h.intakes {
		where, unix := strings.CutPrefix(addr, "unix:")
		if !unix {
			where = scheme(h.doors.intake) + "://" + addr
		}
		fmt.Fprintf(out, "  intake %s   POST /v1/queues/QUEUE/messages, token in %s\n", where, h.data.join("producer.token"))
	}
	fmt.Fprintf(out, "  cli    taskhost status · taskhost logs -f TASK · taskhost help\n")
	fmt.Fprintf(out, "  store  %s   logs in %s\n", h.data.join(storeFile), h.data.join("logs"))
	fmt.Fprintf(out, "  stop   Ctrl-C drains for up to %s; again: cancel; again: kill\n", schema.FormatDuration(c.Host.ShutdownTimeout.Round(time.Second)))
}
