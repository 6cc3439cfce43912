package support

import "github.com/taskhost/taskhost/host/admin"

// Manifest says what an archive holds, and what it does not.
type Manifest struct {
	Made    admin.Time `json:"made_at"`
	Client  string     `json:"client"` // version of the command
	Address string     `json:"address"`
	By      string     `json:"by"`
	Via     string     `json:"via"` // unix, token, certificate
	Parts   []Part     `json:"parts"`
	Missing []Missing  `json:"missing"` // what could not be had
	LeftOut string     `json:"left_out"`
}

// Part is one file of the archive.
type Part struct {
	File  string `json:"file"`
	What  string `json:"what"`
	Bytes int    `json:"bytes"`
}

// Missing is something that the archive should hold.
type Missing struct {
	File string `json:"file"`
	What string `json:"what"`
	Why  string `json:"why"`
}

// leftOut is what no archive holds.
const leftOut = "inputs and results of runs, published values, checkpoints and messages are the work's own data and are not asked for; secrets of the configuration are hidden by the host"
