#!/usr/bin/env bash
# Installs an .rpm on a copy of this machine's root that is thrown away (an overlay in a mount namespace of its own), with an rpm
# database of its own, looks at what is there, starts the host, and upgrades and erases the package. Needs root and rpm.
set -euo pipefail

package=$(realpath "${1:?say which .rpm}")
if [ "$(id -u)" != 0 ]; then
  echo "test-rpm: needs root, for a mount namespace" >&2
  exit 1
fi
command -v rpm >/dev/null || { echo "test-rpm: needs rpm (apt-get install rpm)" >&2; exit 1; }
if [ "${INSIDE:-}" != yes ]; then
  exec env INSIDE=yes unshare --mount --pid --fork --kill-child --propagation private "$0" "$package"
fi

stage=$(mktemp -d)
mount -t tmpfs none "$stage"
mkdir "$stage/upper" "$stage/apart" "$stage/whole"
mount -t overlay overlay -o "lowerdir=/,upperdir=$stage/upper,workdir=$stage/apart" "$stage/whole"
mount -t proc proc "$stage/whole/proc"
mount -t tmpfs none "$stage/whole/run"
mount --bind /dev "$stage/whole/dev"
inside() { chroot "$stage/whole" env -u INSIDE PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
# Debian's rpm knows nothing of what dpkg has installed, so what the package needs is not asked for.
rpm_inside() { rpm --root "$stage/whole" --nodeps "$@"; }
say() { echo "test-rpm: $*"; }
fail() { say "$*" >&2; exit 1; }

say "install"
rpm --root "$stage/whole" --initdb
rpm_inside --install "$package" 2>"$stage/said" || { cat "$stage/said" >&2; fail "it cannot be installed"; }
inside id taskhost >/dev/null || fail "there is no account taskhost"
[ "$(inside stat -c '%U %a' /var/lib/taskhost)" = "taskhost 700" ] || fail "the data directory is not the account's own"
[ "$(inside stat -c '%G %a' /etc/taskhost)" = "taskhost 2750" ] || fail "the configuration cannot be read by the account"
for file in /usr/bin/taskhost /usr/lib/taskhost/plugins/exec /usr/lib/systemd/system/taskhost.service \
  /usr/share/man/man1/taskhost.1.gz /usr/share/bash-completion/completions/taskhost; do
  inside test -s "$file" || fail "$file is missing"
done
said=$(rpm_inside --verify taskhost | grep -v '^\.\.\.\.\.\.G\.\.  c /etc/taskhost/taskhost.hcl$' || true) # the script gives it to the account's group
[ -z "$said" ] || fail "what is installed is not what the package holds: $said"

dropin=/etc/systemd/system/taskhost.service.d/10-before-253.conf
old=$(inside systemctl --version | awk 'NR == 1 { print ($2 + 0 < 253) ? "yes" : "no" }')
check_dropin() { [ "$old" = no ] || inside test -s "$dropin" || fail "systemd before 253 has no drop-in $1"; }
check_dropin "after the installation"

say "serve as the service does"
inside mkdir -p /run/taskhost
inside chown taskhost:taskhost /run/taskhost
cat >"$stage/whole/etc/taskhost/tasks.hcl" <<'HCL'
task "tick" {
  plugin = "exec"
  on_demand {}
  config {
    command = ["/bin/true"]
  }
}
HCL
inside chgrp taskhost /etc/taskhost/tasks.hcl
inside chmod 640 /etc/taskhost/tasks.hcl
inside setpriv --reuid taskhost --regid taskhost --clear-groups taskhost serve -config /etc/taskhost >"$stage/log" 2>&1 &
host=$!
for _ in $(seq 100); do
  inside taskhost host status >/dev/null 2>&1 && break
  kill -0 "$host" || { cat "$stage/log"; fail "the host has ended"; }
  sleep 0.2
done
inside taskhost task run tick -wait 30s >/dev/null || { cat "$stage/log"; fail "the task does not run"; }
kill -TERM "$(inside pidof -s taskhost)"
wait "$host" || { cat "$stage/log"; fail "the host did not end well"; }

say "upgrade: what the operator wrote stays"
echo '# mine' >>"$stage/whole/etc/taskhost/taskhost.hcl"
rpm_inside --upgrade --force "$package"
inside grep -q '# mine' /etc/taskhost/taskhost.hcl || fail "the configuration was written over"
check_dropin "after the upgrade"
inside test -x /usr/bin/taskhost || fail "the program is gone after the upgrade"
[ "$(inside stat -c '%G %a' /etc/taskhost)" = "taskhost 2750" ] || fail "the configuration cannot be read by the account after the upgrade"

say "erase: data and what the operator wrote stay"
rpm_inside --erase taskhost
inside test -e /usr/bin/taskhost && fail "the program is still there"
inside test -d /var/lib/taskhost || fail "the data is gone"
inside test -s /etc/taskhost/tasks.hcl || fail "the tasks are gone"
inside grep -qs '# mine' /etc/taskhost/taskhost.hcl /etc/taskhost/taskhost.hcl.rpmsave || fail "the configuration is gone"
inside test -e /etc/systemd/system/taskhost.service.d && fail "the drop-in is still there"
say "ok"
