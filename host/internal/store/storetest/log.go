package storetest

import (
	"bytes"
	"encoding/binary"
)

// WrittenLog is the part of a write-ahead log of SQLite in which something is written; room may be laid out behind it. See "The
// WAL File Format" on sqlite.org: a header of 32 bytes, and before each page one of 24 that repeats its salts.
func WrittenLog(log []byte) []byte {
	const head, frameHead = 32, 24
	if len(log) < head {
		return log[:0]
	}
	frame, salts := frameHead+int(binary.BigEndian.Uint32(log[8:])), log[16:24]
	end := head
	for end+frame <= len(log) && bytes.Equal(log[end+8:end+16], salts) {
		end += frame
	}
	return log[:end]
}
