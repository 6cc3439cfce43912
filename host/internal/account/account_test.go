package account

import (
	"os/user"
	"slices"
	"strings"
	"testing"
)

// someone is an account that is not the host's, and a group that is not its own.
func someone(t *testing.T) (u *user.User, g *user.Group) {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("needs the user nobody")
	}
	for _, name := range []string{"daemon", "sys", "adm"} {
		if g, err := user.LookupGroup(name); err == nil && g.Gid != u.Gid {
			return u, g
		}
	}
	t.Skip("needs one of the groups daemon, sys, adm")
	return nil, nil
}

func want(t *testing.T, id string) uint32 {
	t.Helper()
	n, err := number(id)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAGroupTakesThePlaceOfTheUsersOwn(t *testing.T) {
	t.Parallel()
	u, g := someone(t)
	root := self{0, 0}
	a, err := find(u.Username, "", root)
	if err != nil || a.UID != want(t, u.Uid) || a.GID != want(t, u.Gid) || !slices.Contains(a.Groups, a.GID) || a.Home != u.HomeDir {
		t.Fatalf("%+v %v", a, err)
	}
	own := a.GID
	a, err = find(u.Username, g.Name, root)
	if err != nil || a.UID != want(t, u.Uid) || a.GID != want(t, g.Gid) || a.Groups[0] != a.GID || slices.Contains(a.Groups, own) {
		t.Errorf("%+v %v", a, err)
	}
}

func TestAnAccountIsFoundByItsNumber(t *testing.T) {
	t.Parallel()
	u, g := someone(t)
	root := self{0, 0}
	byName, err := find(u.Username, g.Name, root)
	if err != nil {
		t.Fatal(err)
	}
	byNumber, err := find(u.Uid, g.Gid, root)
	if err != nil || byNumber.UID != byName.UID || !slices.Equal(byNumber.Groups, byName.Groups) || byNumber.Home != byName.Home {
		t.Errorf("%+v, want %+v; %v", byNumber, byName, err)
	}
	if a, err := find("4000000001", "", root); a != nil || err == nil || !strings.Contains(err.Error(), "no such account") {
		t.Errorf("%+v %v", a, err)
	}
}

func TestAGroupAloneKeepsTheHostsUserAndNoneOfItsGroups(t *testing.T) {
	t.Parallel()
	_, g := someone(t)
	a, err := find("", g.Name, self{0, 0})
	if err != nil || a.UID != 0 || a.GID != want(t, g.Gid) || !slices.Equal(a.Groups, []uint32{a.GID}) || a.Home != "" {
		t.Errorf("%+v %v", a, err)
	}
}

func TestNothingIsSwitchedWhereTheHostIsMeant(t *testing.T) {
	t.Parallel()
	u, _ := someone(t)
	own, err := user.LookupGroupId(u.Gid)
	if err != nil {
		t.Skip(err)
	}
	same := self{int(want(t, u.Uid)), int(want(t, u.Gid))}
	for _, names := range [][2]string{{"", ""}, {u.Username, ""}, {u.Username, own.Name}, {"", own.Name}} {
		if a, err := find(names[0], names[1], same); a != nil || err != nil {
			t.Errorf("%q: %+v %v", names, a, err)
		}
	}
}

func TestWhatCannotBeIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	u, g := someone(t)
	stranger := self{64000, 64000}
	tests := []struct {
		user, group string
		host        self
		want        string
	}{
		{"no-such-user", "", self{}, `user "no-such-user": there is no such account on this machine; make it`},
		{u.Username, "no-such-group", self{}, `group "no-such-group": there is no such group on this machine; make it`},
		{u.Username, "", stranger, `user "` + u.Username + `": only a host that runs as root`},
		{"", g.Name, stranger, `group "` + g.Name + `": only a host that runs as root`},
		{u.Username, g.Name, self{int(want(t, u.Uid)), int(want(t, u.Gid))}, `group "` + g.Name + `": only a host that runs as root`},
	}
	for _, tt := range tests {
		if a, err := find(tt.user, tt.group, tt.host); a != nil || err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q %q: %+v %v, want %s", tt.user, tt.group, a, err, tt.want)
		}
	}
}
