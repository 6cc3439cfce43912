#!/usr/bin/env bash
# Installs a .deb on a copy of this machine's root that is thrown away (an overlay in a mount namespace of its own), looks
# at what is there, starts the host as the service would, and removes and purges the package. Needs root and dpkg.
set -euo pipefail

deb=$(realpath "${1:?say which .deb}")
if [ "$(id -u)" != 0 ]; then
  echo "test-deb: needs root, for a mount namespace" >&2
  exit 1
fi
if [ "${INSIDE:-}" != yes ]; then
  exec env INSIDE=yes unshare --mount --pid --fork --kill-child --propagation private "$0" "$deb"
fi

stage=$(mktemp -d)
mount -t tmpfs none "$stage"
mkdir "$stage/upper" "$stage/apart" "$stage/whole"
mount -t overlay overlay -o "lowerdir=/,upperdir=$stage/upper,workdir=$stage/apart" "$stage/whole"
mount -t proc proc "$stage/whole/proc"
mount -t tmpfs none "$stage/whole/run"
mount --bind /dev "$stage/whole/dev"
mkdir -p "$stage/whole/mnt"
touch "$stage/whole/mnt/package.deb"
mount --bind "$deb" "$stage/whole/mnt/package.deb"
inside() { chroot "$stage/whole" env -u INSIDE PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
say() { echo "test-deb: $*"; }
fail() { say "$*" >&2; exit 1; }

say "install"
inside dpkg -i /mnt/package.deb >/dev/null
inside id taskhost >/dev/null || fail "there is no account taskhost"
[ "$(inside stat -c '%U %a' /var/lib/taskhost)" = "taskhost 700" ] || fail "the data directory is not the account's own"
[ "$(inside stat -c '%G %a' /etc/taskhost)" = "taskhost 2750" ] || fail "the configuration cannot be read by the account"
for file in /usr/bin/taskhost /usr/lib/taskhost/plugins/exec /usr/lib/systemd/system/taskhost.service \
  /usr/share/man/man1/taskhost.1.gz /usr/share/bash-completion/completions/taskhost; do
  inside test -s "$file" || fail "$file is missing"
done
version=$(inside systemctl --version | awk 'NR == 1 { print $2 + 0 }')
if [ "$version" -lt 253 ]; then
  inside test -s /etc/systemd/system/taskhost.service.d/10-before-253.conf || fail "systemd $version does not get its drop-in"
fi
# What systemd-analyze says of the other units of this machine is not ours.
said=$(inside systemd-analyze verify --man=no /usr/lib/systemd/system/taskhost.service 2>&1 | grep taskhost | grep -v 'notify-reload' || true)
[ -z "$said" ] || fail "the unit: $said"

say "serve as the service does"
inside mkdir -p /run/taskhost
inside chown taskhost:taskhost /run/taskhost
cat >"$stage/whole/etc/taskhost/tasks.hcl" <<'HCL'
task "tick" {
  plugin = "exec"
  periodic {
    every = "1s"
  }
  config {
    command = ["/bin/true"]
  }
}
HCL
inside chmod 640 /etc/taskhost/tasks.hcl
inside setpriv --reuid taskhost --regid taskhost --clear-groups taskhost serve -config /etc/taskhost >"$stage/log" 2>&1 &
host=$!
for _ in $(seq 100); do
  inside taskhost task run tick -wait 10s >/dev/null 2>&1 && break
  kill -0 "$host" || { cat "$stage/log"; fail "the host has ended"; }
  sleep 0.2
done
inside taskhost runs list -outcome succeeded | grep -q tick || { cat "$stage/log"; fail "the task does not run"; }
kill -TERM "$(inside pidof -s taskhost)"
wait "$host" || { cat "$stage/log"; fail "the host did not end well"; }

say "install again: what the operator wrote stays"
echo '# mine' >>"$stage/whole/etc/taskhost/taskhost.hcl"
inside dpkg -i /mnt/package.deb >/dev/null
inside grep -q '# mine' /etc/taskhost/taskhost.hcl || fail "the configuration was written over"

say "remove: configuration and data stay"
inside dpkg -r taskhost >/dev/null
inside test -e /usr/bin/taskhost && fail "the program is still there"
inside test -s /etc/taskhost/taskhost.hcl || fail "the configuration is gone"
inside test -d /var/lib/taskhost || fail "the data is gone"

say "purge: nothing stays"
inside dpkg -P taskhost >/dev/null
for path in /etc/taskhost /var/lib/taskhost /etc/systemd/system/taskhost.service.d /etc/systemd/system/multi-user.target.wants/taskhost.service; do
  inside sh -c 'test -e "$0" || test -L "$0"' "$path" && fail "$path is still there"
done
inside id taskhost >/dev/null 2>&1 && fail "the account is still there"
say "ok"
