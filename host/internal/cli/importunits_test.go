package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAUnitComesWithItsDropInsAndAnInstanceWithItsTemplate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{
		"api.service", "api.service.d/10-a.conf", "api.service.d/notes.txt", "worker@.service", "worker@.service.d/b.conf", "worker@mail.service.d/c.conf", "service.d/d.conf",
		"multi-user.target.wants/api.service", "multi-user.target.wants/worker@sms.service",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("# "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/nowhere/relay@.service", filepath.Join(dir, "multi-user.target.wants/worker@lost.service")); err != nil {
		t.Fatal(err)
	}
	for arg, want := range map[string]string{
		"api.service":         "api.service api.service.d/10-a.conf",
		"api.service.d":       "api.service.d/10-a.conf",
		"worker@.service":     "worker@.service worker@.service.d/b.conf",
		"worker@mail.service": "worker@mail.service=worker@.service worker@mail.service.d/c.conf worker@.service.d/b.conf",
		".": "api.service worker@.service api.service.d/10-a.conf multi-user.target.wants/worker@lost.service=worker@.service " +
			"multi-user.target.wants/worker@sms.service service.d/d.conf worker@.service.d/b.conf worker@mail.service.d/c.conf",
	} {
		names, err := importNames("systemd", filepath.Join(dir, arg))
		if err != nil {
			t.Errorf("%s: %v", arg, err)
			continue
		}
		var got []string
		for _, n := range names {
			text, _ := filepath.Rel(dir, n.name)
			if n.path != n.name {
				path, _ := filepath.Rel(dir, n.path)
				text += "=" + path
			}
			got = append(got, text)
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%s: %s\nwant %s", arg, g, want)
		}
	}
	if _, err := importNames("systemd", filepath.Join(dir, "relay@mail.service")); err == nil {
		t.Error("an instance without a template is there")
	}
	if names, err := importNames("crontab", filepath.Join(dir, "api.service")); err != nil || !slices.Equal(names, []importName{{filepath.Join(dir, "api.service"), filepath.Join(dir, "api.service")}}) {
		t.Errorf("%v, %v", names, err)
	}
}
