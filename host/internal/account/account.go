package account

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
)

// Account is what a process becomes.
type Account struct {
	UID, GID uint32
	Groups   []uint32 // all of them; GID is one
	Home     string   // of the user; "" where only a group is named
}

// Find looks up a user, a group, or both; "" names neither. It is nil where a process may stay what the
// host is. The group takes the place of the user's own; the user's other groups stay. Without a user the
// process keeps the host's, and of the groups it has the named one alone.
func Find(userName, groupName string) (*Account, error) { return find(userName, groupName, host()) }

// self is who the host runs as.
type self struct {
	uid, gid int
}

func host() self { return self{os.Geteuid(), os.Getegid()} }

func find(userName, groupName string, host self) (*Account, error) {
	a := &Account{UID: uint32(host.uid), GID: uint32(host.gid)}
	if userName != "" {
		if err := a.lookUser(userName); err != nil {
			return nil, fmt.Errorf("user %q: %w", userName, err)
		}
	}
	switch {
	case groupName != "":
		if err := a.takeGroup(groupName); err != nil {
			return nil, fmt.Errorf("group %q: %w", groupName, err)
		}
	case int(a.UID) == host.uid:
		return nil, nil // the host itself, with all the groups it has
	}
	switch {
	case host.uid == 0:
		return a, nil
	case int(a.UID) != host.uid:
		return nil, fmt.Errorf("user %q: only a host that runs as root can start a process as another user", userName)
	case int(a.GID) != host.gid:
		return nil, fmt.Errorf("group %q: only a host that runs as root can start a process in another group", groupName)
	}
	return nil, nil
}

func (a *Account) lookUser(name string) error {
	u, err := userOf(name)
	if err != nil {
		return err
	}
	if a.UID, err = number(u.Uid); err != nil {
		return err
	}
	if a.GID, err = number(u.Gid); err != nil {
		return err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return err
	}
	a.Groups = []uint32{a.GID}
	for _, id := range ids {
		if n, err := number(id); err == nil && n != a.GID {
			a.Groups = append(a.Groups, n)
		}
	}
	a.Home = u.HomeDir
	return nil
}

// takeGroup puts a group in the place of the user's own.
func (a *Account) takeGroup(name string) error {
	g, err := groupOf(name)
	if err != nil {
		return err
	}
	gid, err := number(g.Gid)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(a.Groups, func(id uint32) bool { return id == a.GID || id == gid })
	a.GID, a.Groups = gid, append([]uint32{gid}, others...)
	return nil
}

// userOf finds a user by his name or, as other programs name accounts too, by his number.
func userOf(name string) (*user.User, error) {
	u, err := user.Lookup(name)
	if _, unknown := err.(user.UnknownUserError); !unknown {
		return u, err
	}
	if u, err := user.LookupId(name); err == nil {
		return u, nil
	}
	return nil, errors.New("there is no such account on this machine; make it, or name another one")
}

// groupOf is userOf for a group.
func groupOf(name string) (*user.Group, error) {
	g, err := user.LookupGroup(name)
	if _, unknown := err.(user.UnknownGroupError); !unknown {
		return g, err
	}
	if g, err := user.LookupGroupId(name); err == nil {
		return g, nil
	}
	return nil, errors.New("there is no such group on this machine; make it, or name another one")
}

func number(id string) (uint32, error) {
	n, err := strconv.ParseUint(id, 10, 32)
	return uint32(n), err
}
