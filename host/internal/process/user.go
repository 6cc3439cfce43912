package process

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// runAs makes cmd run as the user that the task names. The host must be root for that,
// and the directories down to the binary must let that user pass.
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
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	return nil
}
