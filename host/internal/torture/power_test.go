package torture

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taskhost/taskhost/host/admin"
	"github.com/taskhost/taskhost/host/admintest"
	"github.com/taskhost/taskhost/host/internal/store/storetest"
	"github.com/taskhost/taskhost/host/internal/torture/journal"
)

// A power loss takes what was not synced: any part of what was written after the last acknowledgement, the mark of
// acknowledged commits with it. It is made here of the files of a host that was killed.

const (
	database = "taskhost.db"
	onlyIn   = "queue \"in\" {}\n"
	messages = 60
)

// files are the parts of a store by their names.
type files map[string][]byte

// recorded is a store, and how long its log was when each message had been acknowledged.
type recorded struct {
	files
	length []int // after the first, the second, …
}

// record lets a host acknowledge messages one by one, and kills it.
func record(t *testing.T) recorded {
	t.Helper()
	h := admintest.Start(t, admintest.Options{HCL: onlyIn})
	var r recorded
	for n := range messages {
		post(t, h, n, false)
		log, err := os.ReadFile(filepath.Join(h.DataDir, database+"-wal"))
		if err != nil {
			t.Fatal(err)
		}
		r.length = append(r.length, len(storetest.WrittenLog(log)))
	}
	h.Kill()
	r.files = files{}
	for _, suffix := range []string{"", "-wal", "-acked"} {
		data, err := os.ReadFile(filepath.Join(h.DataDir, database+suffix))
		if err != nil {
			t.Fatal(err)
		}
		r.files[database+suffix] = data
	}
	return r
}

func messageName(n int) string { return fmt.Sprint("post-", n) }

// post posts the n-th message, which may have been posted before.
func post(t *testing.T, h *admintest.Host, n int, known bool) {
	t.Helper()
	value, err := json.Marshal(journal.NewValue(messageName(n)))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := h.Post(t.Context(), "in", value, admin.PostOptions{ID: messageName(n)})
	if err != nil || answer.Duplicate != known {
		t.Errorf("message %d was posted, and taken for a known one: %v, %v; want %v", n, answer.Duplicate, err, known)
	}
}

// into writes the files into the data directory of a host that is to be.
func (f files) into(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range f {
		if err := os.WriteFile(filepath.Join(dir, "data", name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func flipped(data []byte, at int) []byte {
	data = bytes.Clone(data)
	data[at] ^= 0x10
	return data
}

// garbled keeps so much of data and turns what follows into something else.
func garbled(data []byte, keep int) []byte {
	data = bytes.Clone(data)
	for i := keep; i < len(data); i++ {
		data[i] ^= byte(i)*7 + 1
	}
	return data
}

func TestAPowerLossTakesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	r := record(t)
	log := r.files[database+"-wal"]
	for _, acked := range []int{1, messages / 3, messages - 2} {
		synced := r.length[acked-1]
		next := r.length[acked] - synced // at least one message is written there
		for what, tail := range map[string][]byte{
			"all that followed is gone":      log[:synced],
			"a part of what followed is":     log[:synced+next/2],
			"the last byte of it is":         log[:synced+next-1],
			"what followed is torn":          garbled(log[:synced+next], synced+next/3),
			"a bit of what followed is lost": flipped(log[:synced+next], synced+next/2),
		} {
			t.Run(fmt.Sprintf("%s after message %d", what, acked), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				files{database: r.files[database], database + "-wal": tail}.into(t, dir)
				h := admintest.Start(t, admintest.Options{Dir: dir, HCL: onlyIn})
				there := peek(t, h)
				if len(there) < acked {
					t.Errorf("%d messages were acknowledged, %d are there", acked, len(there))
				}
				for n, name := range there {
					if name != messageName(n) {
						t.Errorf("message %d is %q", n, name)
					}
					post(t, h, n, true) // its id is remembered with it
				}
			})
		}
	}
}

// peek returns the names of the messages in the queue, which must be whole.
func peek(t *testing.T, h *admintest.Host) (names []string) {
	t.Helper()
	page, err := h.Peek(t.Context(), "in", 500, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range page.Items {
		var v journal.Value
		if err := json.Unmarshal(m.Value, &v); err != nil || v.Altered() || m.ID != v.Name {
			t.Errorf("message %s holds %s, %v", m.ID, m.Value, err)
		}
		names = append(names, v.Name)
	}
	return names
}

func TestDamageInsideWhatWasAcknowledgedIsRefusedAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	r := record(t)
	log, middle := r.files[database+"-wal"], r.length[messages/2]
	for what, damaged := range map[string][]byte{
		"the log is cut off":      log[:middle+100],
		"a bit of the log is bad": flipped(log, middle+100),
		"the log is empty":        {},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			before := files{database: r.files[database], database + "-wal": damaged, database + "-acked": r.files[database+"-acked"]}
			before.into(t, dir)
			text := refuse(t, dir)
			path := filepath.Join("data", database)
			if !strings.Contains(text, path) || !strings.Contains(text, "commits were acknowledged") {
				t.Errorf("the host does not say that %s is damaged, and where:\n%s", path, text)
			}
			for name, want := range before {
				got, err := os.ReadFile(filepath.Join(dir, "data", name))
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s was changed from %d to %d bytes, %v", name, len(want), len(got), err)
				}
			}
		})
	}
}

// refuse starts a host that must not come up, and returns what it says.
func refuse(t *testing.T, dir string) string {
	t.Helper()
	hcl := "host {\n  data_dir = \"data\"\n  plugin_dir = \"plugins\"\n  admin {\n    listen = [\"unix:data/admin.sock\"]\n  }\n}\n" + onlyIn
	if err := os.WriteFile(filepath.Join(dir, "config.hcl"), []byte(hcl), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, admintest.Build(t, "host/cmd/taskhost"), "serve", "-config", "config.hcl")
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	if err == nil || ctx.Err() != nil || cmd.ProcessState.ExitCode() <= 0 {
		t.Errorf("the host did not refuse to start: %v\n%s", err, text)
	}
	return string(text)
}
