package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// firstStep and mostStep bound how many bytes of room are laid out at a time: as many as there are, so that a small store stays small.
	firstStep = 256 << 10
	mostStep  = 4 << 20
	// maxLaid is a little more than the log takes between two checkpoints.
	maxLaid = 34 << 20
	// sparing is how many times as much of the disk must be free.
	sparing = 32
)

// nothing is what room is made of.
var nothing [64 << 10]byte

// layout keeps room in the log ahead of what is written there: to sync what overwrites a part of a file takes a third less
// time than to sync what makes it longer, because the file system has nothing to note of itself then. The engine begins the log
// anew after each checkpoint, and finds the room that was laid out. It belongs to the writer alone: nothing may be written
// meanwhile.
type layout struct {
	path string // of the log
	room Room
	file *os.File
	laid int64 // how long the log was when it was last looked at
	off  bool  // it cannot be done here
}

// keep lays out more if the log has become longer than what was laid out. An error is no more than slow writes.
func (l *layout) keep() error {
	if l.off {
		return nil
	}
	size, err := l.size()
	if err == nil && size > l.laid {
		l.laid = size
		err = l.add()
	}
	l.off = err != nil
	return err
}

// size is how long the log is. It does not ask for the times of the file: a Linux that was asked notes the time of the next
// write so precisely that each sync has to write it, too (see "multigrain timestamps" in the kernel's documentation).
func (l *layout) size() (int64, error) {
	if l.file == nil {
		f, err := os.OpenFile(l.path, os.O_WRONLY, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		l.file = f
	}
	return l.file.Seek(0, io.SeekEnd)
}

// add lays out the next step, unless the disk is small or nearly full.
func (l *layout) add() error {
	to := min(l.laid+min(max(l.laid, firstStep), mostStep), maxLaid)
	free, _, err := l.room(filepath.Dir(l.path))
	if err != nil || to <= l.laid || free < sparing*to {
		return err
	}
	for at := l.laid; err == nil && at < to; at += int64(len(nothing)) {
		_, err = l.file.WriteAt(nothing[:min(to-at, int64(len(nothing)))], at)
	}
	if err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		return errors.Join(err, l.file.Truncate(l.laid))
	}
	l.laid = to
	return nil
}

func (l *layout) close() {
	if l.file != nil {
		_ = l.file.Close()
	}
}
