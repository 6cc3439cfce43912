package plan

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"github.com/taskhost/taskhost/host/internal/config"
	"github.com/taskhost/taskhost/host/internal/task"
)

// Snapshot is a configuration as it can be compared. Made of a Config it holds everything; read back from its JSON form
// it has lost what is secret, and Hidden tells whether that differs.
type Snapshot struct {
	Tasks   []task.Definition `json:"tasks"`
	Groups  []task.Group      `json:"groups"`
	Queues  []task.Queue      `json:"queues"`
	Plugins []Plugin          `json:"plugins"`
	Host    map[string]any    `json:"host"`
	Notices map[string]string `json:"notices,omitempty"` // blocks notify, alert and heartbeat: a digest, under a key, of what each says
	Hidden  map[string]string `json:"hidden"`            // by task: a digest, under a key, of what the JSON form leaves out

	moves []task.Move
}

// Plugin says which binary of a plugin is meant.
type Plugin struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Digest  string `json:"digest"`
}

// Of makes the snapshot of a configuration. What is secret enters it as a digest under the key.
func Of(c *config.Config, key []byte) Snapshot {
	s := Snapshot{Tasks: c.Tasks, Groups: c.Groups, Queues: c.Queues, Host: hostValues(c.Host), Notices: c.BlockDigests, Hidden: map[string]string{}, moves: c.Moves}
	for i := range c.Tasks {
		s.Hidden[c.Tasks[i].Name] = hiddenDigest(&c.Tasks[i], key)
	}
	for _, p := range c.Plugins {
		s.Plugins = append(s.Plugins, Plugin{p.Name, p.Description.Version, p.Digest})
	}
	return s
}

// Moved is the snapshot with other moves. One whose names are not those of tasks that come and go does nothing.
func (s Snapshot) Moved(moves []task.Move) Snapshot {
	s.moves = moves
	return s
}

// Encode is its form for keeping: without secrets.
func (s Snapshot) Encode() ([]byte, error) { return json.Marshal(s) }

// Decode reads it back.
func Decode(text []byte) (s Snapshot, err error) { return s, json.Unmarshal(text, &s) }

// Shown is the snapshot for people: a plain object without the digests.
func Shown(text []byte) (map[string]any, error) {
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	delete(all, "hidden")
	delete(all, "notices")
	return all, nil
}

// hiddenDigest covers what the JSON form of a definition leaves out.
func hiddenDigest(d *task.Definition, key []byte) string {
	sum := hmac.New(sha256.New, key)
	text, err := json.Marshal([]any{d.Dir, d.Env, d.Config.Msgpack})
	if err != nil {
		panic("plan: encode definition: " + err.Error()) // plain data always has a JSON form
	}
	sum.Write(text)
	return hex.EncodeToString(sum.Sum(nil))
}

// byName indexes a list.
func byName[T any](list []T, name func(*T) string) map[string]*T {
	index := make(map[string]*T, len(list))
	for i := range list {
		index[name(&list[i])] = &list[i]
	}
	return index
}

// names are the keys of both, each once, in order.
func names[T any](a, b map[string]T) []string {
	all := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.SortFunc(all, cmp.Compare[string])
	return slices.Compact(all)
}
