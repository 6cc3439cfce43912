package config

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"

	"github.com/hashicorp/hcl/v2"

	"github.com/taskhost/taskhost/host/internal/task"
)

// digest names what the configuration does. What is secret enters it under a key:
// a short secret could be guessed from a plain hash.
func (l *loader) digest(c *Config) {
	var key []byte
	if l.opts.Key != nil {
		var err error
		if key, err = l.opts.Key(c.Host.DataDir); err != nil {
			l.find.errorf(hcl.Range{}, "", "cannot read the key for digests: %s", err)
			return
		}
	}
	c.BlockDigests = blockDigests(c.Blocks, key)
	c.Digest = withBlocks(Digest(c.Tasks, c.Groups, c.Queues, key), c.BlockDigests, key)
}

// Digest identifies tasks, groups and queues, in hex: equal ones have equal digests,
// wherever they stand in a directory. Secrets enter it as a hash under key.
func Digest(tasks []task.Definition, groups []task.Group, queues []task.Queue, key []byte) string {
	sum := hmac.New(sha256.New, key)
	for _, d := range tasks {
		d.Source = ""
		put(sum, d)
		put(sum, d.Dir)
		put(sum, d.Config.Msgpack)
		for _, name := range sortedKeys(d.Env) {
			put(sum, []string{name, d.Env[name]})
		}
	}
	put(sum, groups)
	put(sum, queues)
	return hex.EncodeToString(sum.Sum(nil))
}

// put adds a value with its length in front, so that no two sequences look alike.
func put(sum hash.Hash, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		// Definitions are plain data and always have a JSON form.
		panic("config: encode definition: " + err.Error())
	}
	var length [8]byte
	for i, n := 0, len(text); n > 0; i, n = i+1, n>>8 {
		length[i] = byte(n)
	}
	sum.Write(length[:])
	sum.Write(text)
}
