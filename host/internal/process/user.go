package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// runAs makes cmd run as the user that the task names. The host must be root for that,
// and the directories down to the binary and to the process's own must let that user pass. HOME is
// the user's, unless the configuration says otherwise: the host's is of no use there.
func (p *Process) runAs(cmd *exec.Cmd) error {
	if p.spec.User == "" {
		return nil
	}
	u, err := user.Lookup(p.spec.User)
	if err != nil {
		return fmt.Errorf("run as user %q: %w", p.spec.User, err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return fmt.Errorf("run as user %q: %w", p.spec.User, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return fmt.Errorf("run as user %q: %w", p.spec.User, err)
	}
	if int(uid) == os.Geteuid() {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("run as user %q: only a host that runs as root can", p.spec.User)
	}
	credential := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("run as user %q: %w", p.spec.User, err)
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			credential.Groups = append(credential.Groups, uint32(n))
		}
	}
	// The process enters its directory as that user; it may pass, not look around.
	for _, dir := range []string{p.launcher.cfg.RunDir, p.slot.dir} {
		if err := os.Chmod(dir, 0o711); err != nil {
			return fmt.Errorf("run as user %q: %w", p.spec.User, err)
		}
	}
	if err := os.Chown(p.dir, int(uid), int(gid)); err != nil {
		return fmt.Errorf("run as user %q: %w", p.spec.User, err)
	}
	for _, path := range []string{p.spec.Path, p.dir} {
		if err := passable(filepath.Dir(path), credential); err != nil {
			return fmt.Errorf("run as user %q: %w", p.spec.User, err)
		}
	}
	if _, set := p.spec.Env["HOME"]; !set && u.HomeDir != "" {
		cmd.Env = append(cmd.Env, "HOME="+u.HomeDir) // of two of a name, the last counts
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	return nil
}

// passable tells which directory on the way to dir the user cannot pass, by its mode. Access lists
// that say otherwise are not looked at: they are rare, and the remedy names what to do.
func passable(dir string, who *syscall.Credential) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return errors.New("the owner of " + dir + " is not known")
		}
		bit := os.FileMode(0o001)
		switch {
		case owner.Uid == who.Uid:
			bit = 0o100
		case owner.Gid == who.Gid || slices.Contains(who.Groups, owner.Gid):
			bit = 0o010
		}
		if info.Mode()&bit == 0 {
			return fmt.Errorf("%s lets this user not pass (mode %s); chmod o+x it, or move data_dir to where others may pass", dir, info.Mode().Perm())
		}
		if up := filepath.Dir(dir); up != dir {
			dir = up
			continue
		}
		return nil
	}
}
