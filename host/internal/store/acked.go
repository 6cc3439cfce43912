package store

import (
	"encoding/binary"
	"errors"
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

// errLostFile is for callers within the package: the file is not what it was.
var errLostFile = errors.New("restore it from a backup")

func ackedPath(path string) string { return path + "-acked" }

func openAcked(path string) (*ackedMark, error) {
	f, err := os.OpenFile(ackedPath(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the mark of acknowledged commits: %w", err)
	}
	m := &ackedMark{file: f}
	var b [12]byte
	if n, _ := f.ReadAt(b[:], 0); n == len(b) && binary.BigEndian.Uint32(b[8:]) == crc32.Checksum(b[:8], sums) {
		m.n = binary.BigEndian.Uint64(b[:8])
	}
	return m, nil
}

// check refuses a database with fewer commits than were acknowledged.
func (m *ackedMark) check(commits uint64) error {
	if commits >= m.n {
		return nil
	}
	return fmt.Errorf("%d commits were acknowledged and it holds %d: its end is damaged or it was replaced by an older one; "+
		"restore it from a backup, or delete %s to go on with what is left", m.n, commits, m.file.Name())
}

// set is best effort: without it less is noticed.
func (m *ackedMark) set(commits uint64) {
	var b [12]byte
	binary.BigEndian.PutUint64(b[:8], commits)
	binary.BigEndian.PutUint32(b[8:], crc32.Checksum(b[:8], sums))
	_, _ = m.file.WriteAt(b[:], 0)
}

func (m *ackedMark) close() { m.file.Close() }
