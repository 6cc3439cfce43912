package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/taskhost/taskhost/host/internal/account"
)

// runAs makes cmd run as the user and in the group that the task names. The host must be root for that,
// and the directories down to the binary and to the process's own must let that user pass. HOME is
// the user's, unless the configuration says otherwise: the host's is of no use there.
func (p *Process) runAs(cmd *exec.Cmd) error {
	who, err := account.Find(p.spec.User, p.spec.Group)
	if err != nil {
		return fmt.Errorf("run as %w", err)
	}
	if who == nil {
		return nil
	}
	if err := p.admit(who); err != nil {
		return fmt.Errorf("run as user %q: %w", p.spec.User, err)
	}
	if _, set := p.spec.Env["HOME"]; !set && who.Home != "" {
		cmd.Env = append(cmd.Env, "HOME="+who.Home) // of two of a name, the last counts
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: who.UID, Gid: who.GID, Groups: who.Groups}}
	return nil
}

// admit gives the account the process's directory and sees that it can pass to it and to the binary.
func (p *Process) admit(who *account.Account) error {
	if err := os.Chown(p.dir, int(who.UID), int(who.GID)); err != nil {
		return err
	}
	if int(who.UID) == os.Geteuid() {
		return nil // the host passes everywhere, in whatever group
	}
	// The process enters its directory as that user; it may pass, not look around.
	for _, dir := range []string{p.launcher.cfg.RunDir, p.slot.dir} {
		if err := os.Chmod(dir, 0o711); err != nil {
			return err
		}
	}
	for _, path := range []string{p.spec.Path, p.dir} {
		if err := passable(filepath.Dir(path), who); err != nil {
			return err
		}
	}
	return nil
}

// passable tells which directory on the way to dir the user cannot pass, by its mode. Access lists
// that say otherwise are not looked at: they are rare, and the remedy names what to do.
func passable(dir string, who *account.Account) error {
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
		case owner.Uid == who.UID:
			bit = 0o100
		case owner.Gid == who.GID || slices.Contains(who.Groups, owner.Gid):
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
