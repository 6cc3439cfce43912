package queue

import "encoding/json"

// maxCached bounds the bodies of waiting messages in memory, of all queues together.
const maxCached = 64 << 20

// cache counts the bodies in memory. What comes first is kept; the rest is read back when it is about to be handed out.
type cache struct{ used, limit int64 }

// keep keeps a body while there is room for it.
func (c *cache) keep(e *entry, body json.RawMessage) {
	if c.used+int64(len(body)) <= c.limit {
		c.hold(e, body)
	}
}

// hold keeps a body that is needed now, whatever there is room for.
func (c *cache) hold(e *entry, body json.RawMessage) {
	c.drop(e)
	e.body = body
	c.used += int64(len(body))
}

func (c *cache) drop(e *entry) {
	c.used -= int64(len(e.body))
	e.body = nil
}
