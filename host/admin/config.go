package admin

import "fmt"

// Config is the configuration that holds.
type Config struct {
	Generation int        `json:"generation"`
	Digest     string     `json:"digest"`
	Applied    Time       `json:"applied_at"`
	How        string     `json:"how"` // start, reload, rollback
	By         string     `json:"by,omitempty"`
	Of         int        `json:"of,omitempty"` // with rollback: the generation whose files were taken
	Files      []string   `json:"files"`        // that it was read from
	Drift      Drift      `json:"drift"`
	Pending    []Changed  `json:"pending_host"` // what of the host block waits for a new start of the host, as the last reload found it
	LastReload *Reload    `json:"last_reload,omitempty"`
	Tasks      int        `json:"tasks"`
	Groups     int        `json:"groups"`
	Queues     int        `json:"queues"`
	Plugins    []PluginID `json:"plugins"`
}

// PluginID says which binary of a plugin is meant.
type PluginID struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest,omitempty"` // sha256
}

// Drift says what on the disk is no longer what holds; a plan says what would come of it.
type Drift struct {
	Files   []string `json:"files"`   // that have changed, came or went since they were read
	Plugins []string `json:"plugins"` // whose binary is another one
}

// Reload is one attempt to make another configuration hold.
type Reload struct {
	At          Time         `json:"at"`
	How         string       `json:"how"` // reload, rollback
	By          string       `json:"by"`
	OK          bool         `json:"ok"`
	Changed     bool         `json:"changed"`
	Generation  int          `json:"generation"` // that held then
	Summary     string       `json:"summary,omitempty"`
	Error       string       `json:"error,omitempty"`
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"`
}

// Diagnostic is one problem of a configuration.
type Diagnostic struct {
	Severity  string `json:"severity"` // error, warning
	Summary   string `json:"summary"`
	Detail    string `json:"detail,omitempty"`
	Hint      string `json:"hint,omitempty"`
	Task      string `json:"task,omitempty"`
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"` // from 1
	Column    int    `json:"column,omitempty"`
	EndLine   int    `json:"end_line,omitempty"`
	EndColumn int    `json:"end_column,omitempty"` // behind the last character
	Snippet   string `json:"snippet,omitempty"`    // the source line, secrets hidden
}

// Text is the problem with its place, its source line and what to do about it.
func (d Diagnostic) Text() string {
	text := d.Summary
	if d.Severity == "warning" {
		text = "warning: " + text
	}
	if d.File != "" {
		text = fmt.Sprintf("%s:%d:%d: %s", d.File, d.Line, d.Column, text)
	}
	for _, more := range []string{d.Snippet, d.Detail, d.Hint} {
		if more != "" {
			text += "\n    " + more
		}
	}
	return text
}

// What a plan says of one thing.
const (
	NoChange = "no_change"
	Live     = "live"     // takes the change over as it goes on
	NextRun  = "next_run" // likewise, but what is at work finishes as it began
	Restart  = "restart"  // is drained, then started anew
	Added    = "added"
	Removed  = "removed" // is drained; its history stays
	Renamed  = "renamed" // is drained, and goes on under another name with its history
)

// Plan says what would come of it if the files of the configuration were read now.
type Plan struct {
	ID         string       `json:"id"`         // names what was looked at: apply with it does that or nothing
	Generation int          `json:"generation"` // that holds
	Digest     string       `json:"digest"`     // that would hold
	Changed    bool         `json:"changed"`    // something would change
	Summary    string       `json:"summary"`
	Tasks      []TaskChange `json:"tasks"` // all of them, by name
	Groups     []ItemChange `json:"groups"`
	Queues     []ItemChange `json:"queues"`
	Notices    []ItemChange `json:"notices"` // blocks notify, alert and heartbeat, named `notify "ops"`
	Plugins    []Binary     `json:"plugins"`
	Host       []Changed    `json:"host"` // what of the host block would wait for a new start of the host
	Warnings   []Diagnostic `json:"warnings"`
}

// TaskChange says what a plan means for one task.
type TaskChange struct {
	Task        string       `json:"task"`
	Change      string       `json:"change"`
	From        string       `json:"from,omitempty"` // with renamed: its name before
	Attributes  []Changed    `json:"attributes,omitempty"`
	SlotsBefore []Time       `json:"slots_before,omitempty"` // the next three as things are
	SlotsAfter  []Time       `json:"slots_after,omitempty"`  // and as they would be
	Runs        []TouchedRun `json:"runs,omitempty"`         // live ones that would notice it
}

// Changed is one attribute with another value. Values are as the configuration writes them; one that is not shown is
// "***", one that is not there null.
type Changed struct {
	Path  string `json:"path"` // below the block: periodic.every
	Old   any    `json:"old"`
	New   any    `json:"new"`
	Class string `json:"class"` // when it takes effect: live, next_run, restart, host
	Note  string `json:"note,omitempty"`
}

// TouchedRun is a live run and what would become of it.
type TouchedRun struct {
	ID     string `json:"id"`
	State  string `json:"state"`
	Effect string `json:"effect"`
}

// ItemChange says what a plan means for a group or a queue.
type ItemChange struct {
	Name       string    `json:"name"`
	Change     string    `json:"change"` // live, added, removed
	Attributes []Changed `json:"attributes,omitempty"`
}

// Binary is a plugin whose binary is another one, or that comes or goes.
type Binary struct {
	Name       string   `json:"name"`
	Change     string   `json:"change"` // next_run, added, removed
	Old        string   `json:"old_digest,omitempty"`
	New        string   `json:"new_digest,omitempty"`
	OldVersion string   `json:"old_version,omitempty"`
	NewVersion string   `json:"new_version,omitempty"`
	Tasks      []string `json:"tasks"` // that use it
}

// Apply asks for the files to be read again and to hold.
type Apply struct {
	Plan   string `json:"plan_id,omitempty"` // do what this plan showed, or nothing
	Reason string `json:"reason,omitempty"`
}

// Rollback asks for the files of an earlier generation to hold again.
type Rollback struct {
	Generation int    `json:"generation"`
	Reason     string `json:"reason,omitempty"`
}

// Applied answers Apply and Rollback.
type Applied struct {
	Changed    bool `json:"changed"`
	Generation int  `json:"generation"` // that holds now
	Plan       Plan `json:"plan"`       // what was done
}

// Generation is a configuration that held, or holds.
type Generation struct {
	Number  int    `json:"generation"`
	Digest  string `json:"digest"`
	Applied Time   `json:"applied_at"`
	How     string `json:"how"` // start, reload, rollback
	By      string `json:"by,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Of      int    `json:"of,omitempty"` // with rollback: the generation whose files were taken
	Summary string `json:"summary,omitempty"`
	Holds   bool   `json:"holds"` // it is the one
	Files   bool   `json:"files"` // its files are kept: one can go back to it
}

// GenerationDetail is a generation with what changed with it and what it says, secrets left out.
type GenerationDetail struct {
	Generation
	Changes *GenerationDiff `json:"changes,omitempty"` // against the one before it
	Config  map[string]any  `json:"config"`            // tasks, groups, queues, plugins, host
}

// GenerationDiff says how one generation differs from another.
type GenerationDiff struct {
	From    int          `json:"from"`
	To      int          `json:"to"`
	Summary string       `json:"summary"`
	Tasks   []TaskChange `json:"tasks"` // that differ
	Groups  []ItemChange `json:"groups"`
	Queues  []ItemChange `json:"queues"`
	Notices []ItemChange `json:"notices"`
	Plugins []Binary     `json:"plugins"`
	Host    []Changed    `json:"host"`
}
