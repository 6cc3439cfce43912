#!/bin/sh
# After an installation or an upgrade: the account, what it owns, and the unit.
set -e

if ! getent group taskhost >/dev/null; then
  groupadd --system taskhost
fi
if ! getent passwd taskhost >/dev/null; then
  useradd --system --gid taskhost --home-dir /var/lib/taskhost --no-create-home \
    --shell /usr/sbin/nologin --comment "taskhost" taskhost
fi
install -d -o taskhost -g taskhost -m 0700 /var/lib/taskhost
# Files that are added later get the group, too: the host reads them, and nobody else.
chgrp -R taskhost /etc/taskhost
chmod 2750 /etc/taskhost

# systemd before 253 does not know Type=notify-reload.
if command -v systemctl >/dev/null; then
  version=$(systemctl --version | awk 'NR == 1 { print $2 + 0 }')
  dropin=/etc/systemd/system/taskhost.service.d/10-before-253.conf
  if [ "$version" -lt 253 ]; then
    install -D -m 0644 /usr/share/taskhost/before-253.conf "$dropin"
  else
    rm -f "$dropin"
  fi
fi

# The first installation switches the service on. After that it is as the operator has it: what is switched off stays off.
first=no
case "$1" in
  configure) [ -n "$2" ] || first=yes ;; # dpkg tells the version before
  1) first=yes ;;                        # rpm counts the versions that are there
esac
if [ $first = yes ] && command -v systemctl >/dev/null; then
  systemctl enable taskhost.service
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  restart=try-restart
  if systemctl is-enabled --quiet taskhost.service; then
    restart=restart
  fi
  systemctl $restart taskhost.service || echo "taskhost does not start yet: journalctl -u taskhost says why" >&2
fi
