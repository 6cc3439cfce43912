package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
)

// ackedMark is a small file beside the database that says how many commits were acknowledged. It is written
// after each, and not synced: it survives the process, and after a power loss it says too little, never too
// much. A database that has fewer commits has lost what was acknowledged. The engine alone could not tell: it
// takes the damaged end of its log for a commit that was never finished.
type ackedMark struct {
	file *os.File
	n    uint64 // as found
}

func ackedPath(path string) string { return path + "-acked" }

func openAcked(path string) (*ackedMark, error) {
	f, err := os.OpenFile(ackedPath(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the mark of acknowledged commits: %w", err)
	}
	b := make([]byte, 12)
	n, _ := f.ReadAt(b, 0)
	return &ackedMark{file: f, n: parseAcked(b[:n])}, nil
}

// readAcked is how many commits were acknowledged; 0 when nobody knows.
func readAcked(path string) uint64 {
	b, _ := os.ReadFile(ackedPath(path))
	return parseAcked(b)
}

func parseAcked(b []byte) uint64 {
	if len(b) != 12 || binary.BigEndian.Uint32(b[8:]) != crc32.Checksum(b[:8], sums) {
		return 0
	}
	return binary.BigEndian.Uint64(b[:8])
}

// checkAcked refuses a database with fewer commits than were acknowledged.
func checkAcked(path string, acked, commits uint64) error {
	if commits >= acked {
		return nil
	}
	return fmt.Errorf("%d commits were acknowledged and it holds %d: its end is damaged or it was replaced by an older one; "+
		"restore it from a backup, or delete %s to go on with what is left", acked, commits, ackedPath(path))
}

// set is best effort: without it less is noticed.
func (m *ackedMark) set(commits uint64) {
	var b [12]byte
	binary.BigEndian.PutUint64(b[:8], commits)
	binary.BigEndian.PutUint32(b[8:], crc32.Checksum(b[:8], sums))
	_, _ = m.file.WriteAt(b[:], 0)
}

func (m *ackedMark) close() { m.file.Close() }
