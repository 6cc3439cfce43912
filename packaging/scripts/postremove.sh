#!/bin/sh
# After the files are gone: a purge takes the data and the account along, a removal leaves both. rpm knows no purge.
set -e

case "$1" in
  upgrade | failed-upgrade | abort-install | abort-upgrade | 1) exit 0 ;; # rpm comes here after the new files are in place
esac
rm -f /etc/systemd/system/taskhost.service.d/10-before-253.conf
rmdir /etc/systemd/system/taskhost.service.d 2>/dev/null || true
case "$1" in
  purge | 0) rm -f /etc/systemd/system/multi-user.target.wants/taskhost.service ;; # a removal by dpkg leaves it switched on or off
esac
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi
if [ "$1" = purge ]; then
  rm -rf /var/lib/taskhost /etc/taskhost
  userdel taskhost 2>/dev/null || true
  groupdel taskhost 2>/dev/null || true
fi
