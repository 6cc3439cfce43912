package task

import (
	"encoding/json"
	"time"
)

// How says what made a configuration hold.
type How string

const (
	HowStart    How = "start"    // a start of the host found it changed
	HowReload   How = "reload"   // somebody asked for the files to be read again
	HowRollback How = "rollback" // somebody went back to the files of an earlier generation
)

// Applied is a generation as it is remembered. Nothing in it is secret.
type Applied struct {
	Number  int             `json:"number"`
	Digest  string          `json:"digest"`
	At      time.Time       `json:"at"`
	How     How             `json:"how"`
	By      string          `json:"by,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Of      int             `json:"of,omitempty"`      // with HowRollback: whose files it was made of
	Summary string          `json:"summary,omitempty"` // of the changes against the one before
	Changes json.RawMessage `json:"changes,omitempty"` // each of them

	Binaries []string `json:"binaries,omitempty"` // digests of the plugins that it uses
}
