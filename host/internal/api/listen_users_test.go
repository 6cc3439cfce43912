package api

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWhoIsNamedMayUseTheSocketInHisRole(t *testing.T) {
	t.Parallel()
	path := filepath.Join(shortDir(t), "admin.sock")
	l, err := Listen(t.Context(), "unix:"+path, Listening{Users: map[int]Role{1000: Operator, 0: Viewer, os.Geteuid(): Viewer}})
	if !peersKnown {
		if err == nil {
			t.Error("it lets in others without knowing who they are")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	door := l.(*lobby).Listener.(*unixListener)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for uid, want := range map[int]Role{0: Admin, os.Geteuid(): Admin, 1000: Operator} {
		if role, ok := door.role(uid); !ok || role != want {
			t.Errorf("uid %d: %s %v, want %s", uid, role, ok, want)
		}
	}
	if role, ok := door.role(1001); ok {
		t.Errorf("uid 1001 is let in as %s", role)
	}
}
