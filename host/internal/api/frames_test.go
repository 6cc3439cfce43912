package api

import (
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/internal/task"
)

func TestAnEventLooksTheSameToAllWhoReadIt(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 28, 7, 0, 0, 0, time.UTC)
	var f frames
	e := task.Event{Seq: 7, At: at, Topic: "run", Kind: "ended", Task: "a", Text: "two\nlines"}
	first := f.of(e)
	if want := "id: 7\nevent: run\ndata: {\"seq\":7,"; !strings.HasPrefix(string(first), want) || strings.Count(string(first), "\n") != 4 {
		t.Errorf("%q", first)
	}
	if again := f.of(e); &again[0] != &first[0] {
		t.Error("it was encoded again")
	}
	for _, other := range []task.Event{{Seq: 7 + 256, At: at, Topic: "run", Task: "b"}, {Seq: 7, At: at, Topic: "task", Task: "c"}} {
		if text := string(f.of(other)); !strings.Contains(text, other.Task) || text != string(frameOf(other)) {
			t.Errorf("%+v looks like %q", other, text)
		}
	}
	if again := f.of(e); string(again) != string(first) {
		t.Errorf("%q after others took its place", again)
	}
}
