#!/usr/bin/env bash
# Runs the service of a .deb under a real systemd: as PID 1 of namespaces of its own, on a copy of this machine's root that is thrown
# away. FROM=bookworm-backports takes the systemd of that suite of Debian, since Type=notify-reload needs 253. Needs root, dpkg and
# cgroup v2, wherever it is mounted.
set -euo pipefail

say() { echo "test-systemd: $*"; }
fail() { say "$*" >&2; exit 1; }

# What runs inside, beside systemd.
check() {
  export PATH=/usr/sbin:/usr/bin:/sbin:/bin
  cd /
  until_is() { # until_is WHAT COMMAND…: its output is WHAT within a minute
    local want=$1
    shift
    for _ in $(seq 300); do
      [ "$("$@" 2>/dev/null)" = "$want" ] && return
      sleep 0.2
    done
    systemctl status taskhost --no-pager -n 30 >&2 || true
    fail "$* is not $want"
  }
  say "start, under $(systemctl --version | head -1)"
  until_is active systemctl is-active taskhost
  say "Type=$(systemctl show -P Type taskhost), StatusText=$(systemctl show -P StatusText taskhost)"
  taskhost task run tick -wait 30s >/dev/null || { taskhost task show tick >&2; fail "a task does not run"; }
  find "/sys/fs/cgroup$(systemctl show -P ControlGroup taskhost)" -maxdepth 1 -name 'process-*' | grep -q . || fail "its process has no cgroup of its own"

  say "reload"
  sed -i 's/description = "before"/description = "after"/' /etc/taskhost/tasks.hcl
  systemctl reload taskhost || fail "it cannot be reloaded"
  until_is after sh -c "taskhost task show tick -json | sed -n 's/.*\"description\": *\"\\([a-z]*\\)\".*/\\1/p'"
  echo 'task "bad" {' >/etc/taskhost/bad.hcl
  chgrp taskhost /etc/taskhost/bad.hcl
  systemctl reload taskhost || true # the log says what is wrong; the service goes on
  until_is active systemctl is-active taskhost
  rm /etc/taskhost/bad.hcl

  say "a host that gives no sign of life is started anew (30 s)"
  kill -STOP "$(systemctl show -P MainPID taskhost)"
  until_is 1 systemctl show -P NRestarts taskhost
  until_is active systemctl is-active taskhost
  taskhost task run tick -wait 30s >/dev/null || fail "a task does not run after the restart"

  say "a drop-in that forbids clone3 costs the cgroups, and no task"
  mkdir -p /run/systemd/system/taskhost.service.d
  printf '[Service]\nRestrictNamespaces=yes\n' >/run/systemd/system/taskhost.service.d/strict.conf
  systemctl daemon-reload
  systemctl restart taskhost
  taskhost task run tick -wait 30s >/dev/null || { taskhost task show tick >&2; fail "a task does not run"; }

  say "an upgrade leaves off what is switched off, and starts anew what is on"
  before=$(systemctl show -P MainPID taskhost)
  dpkg -i /root/package.deb >/dev/null 2>&1
  until_is active systemctl is-active taskhost
  [ "$(systemctl show -P MainPID taskhost)" != "$before" ] || fail "the old host goes on after an upgrade"
  systemctl disable --quiet --now taskhost
  dpkg -i /root/package.deb >/dev/null 2>&1
  [ "$(systemctl is-enabled taskhost)" = disabled ] || fail "an upgrade switches the service on again"
  [ "$(systemctl is-active taskhost)" = inactive ] || fail "an upgrade starts a service that is switched off"
  systemctl enable --quiet --now taskhost

  say "stop and remove"
  systemctl stop taskhost
  [ "$(systemctl show -P Result taskhost)" = success ] || fail "the stop is no success"
  systemctl start taskhost
  dpkg -r taskhost >/dev/null 2>&1
  until_is inactive systemctl is-active taskhost
  dpkg -i /root/package.deb >/dev/null 2>&1
  until_is active systemctl is-active taskhost
  say ok
}
if [ "${1:-}" = inside ]; then
  check
  exit
fi

deb=$(realpath "${1:?say which .deb}")
[ "$(id -u)" = 0 ] || fail "needs root, for namespaces"
if [ "${INSIDE:-}" != yes ]; then
  tree=$(findmnt --noheadings --first-only --types cgroup2 --output TARGET) || fail "needs cgroup v2"
  group=$tree/test-systemd-$$
  mkdir "$group"
  trap 'find "$group" -depth -type d -exec rmdir {} \;' EXIT
  (echo "$BASHPID" >"$group/cgroup.procs" && exec env INSIDE=yes unshare --mount --pid --cgroup --fork --kill-child --propagation private "$0" "$deb")
  exit
fi

stage=$(mktemp -d)
mount -t tmpfs none "$stage"
mkdir "$stage/upper" "$stage/apart" "$stage/whole"
root=$stage/whole
mount -t overlay overlay -o "lowerdir=/,upperdir=$stage/upper,workdir=$stage/apart" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # nothing is started before systemd is
chmod +x "$root/usr/sbin/policy-rc.d"
if [ -n "${FROM:-}" ]; then
  say "systemd of $FROM"
  echo "deb http://deb.debian.org/debian $FROM main" >"$root/etc/apt/sources.list.d/from.list"
  chroot "$root" apt-get update -q -o Dir::Etc::sourcelist=sources.list.d/from.list -o Dir::Etc::sourceparts=- >/dev/null
  chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -t "$FROM" systemd >"$stage/log" 2>&1 || { tail "$stage/log"; fail "it cannot be installed"; }
fi
mount -t tmpfs none "$root/run"
cp "$deb" "$root/root/package.deb"
chroot "$root" dpkg -i /root/package.deb >/dev/null
# Only the service and what it needs: nothing else of this machine.
rm -rf "$root"/etc/systemd/system/*.wants
chroot "$root" systemctl enable --quiet taskhost
chroot "$root" systemctl set-default --quiet multi-user.target
cat >"$root/etc/taskhost/tasks.hcl" <<'HCL'
task "tick" {
  description = "before"
  plugin      = "exec"
  process     = "task"
  on_demand {}
  config {
    command = ["/bin/true"]
  }
}
HCL
chroot "$root" chgrp taskhost /etc/taskhost/tasks.hcl
chmod 640 "$root/etc/taskhost/tasks.hcl"
cp "$0" "$root/root/test-systemd.sh"
umount "$root/proc"
mkdir -p "$root/sys"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
# shellcheck disable=SC2016 # $0 is the inner shell's
unshare --pid --fork --kill-child --mount --propagation private \
  sh -c 'mount -t proc proc "$0/proc"; exec chroot "$0" env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system' "$root" >"$stage/console" 2>&1 &
outer=$!
mount -t proc proc /proc
for _ in $(seq 100); do
  init=$(pgrep -P "$outer" || true)
  [ -n "$init" ] && [ -S "$root/run/systemd/private" ] && break
  sleep 0.2
done
nsenter --target "$init" --mount --pid --root="/proc/$init/root" --wd=/ /bin/bash /root/test-systemd.sh inside
