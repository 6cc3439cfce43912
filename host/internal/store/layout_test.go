package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestRoomIsLaidOutAheadOfTheLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	written := bytes.Repeat([]byte("page"), 1000)
	write := func(at int64, b []byte) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
		if err == nil {
			_, err = f.WriteAt(b, at)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	free := int64(1 << 40)
	l := layout{path: path, room: func(string) (int64, int64, error) { return free, free, nil }}
	keep := func(want int64) {
		t.Helper()
		if err := l.keep(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err == nil && size() != want {
			t.Errorf("the log has %d bytes, want %d", size(), want)
		}
	}

	keep(0) // there is no log yet
	write(0, written)
	keep(int64(len(written)) + firstStep)
	write(int64(len(written)), written) // into what was laid out
	keep(int64(len(written)) + firstStep)
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got[:2*len(written)], bytes.Repeat(written, 2)) {
		t.Errorf("what was written has been changed, %v", err)
	}

	end := size()
	write(end, written) // beyond it
	free = sparing * firstStep
	keep(end + int64(len(written))) // the disk has no room to spare
	free = 1 << 40
	write(size(), written)
	keep(2 * (end + 2*int64(len(written))))
	write(2*mostStep-1, []byte{1})
	keep(3 * mostStep)

	write(maxLaid-1, []byte{1})
	keep(maxLaid)
	write(maxLaid, written) // readers keep the log from being begun anew
	keep(maxLaid + int64(len(written)))

	l.close()

	l = layout{path: t.TempDir(), room: l.room}
	if err := l.keep(); err == nil || !l.off {
		t.Error("a directory is laid out")
	}
}
