#!/bin/sh
# Before the files go: the service ends, unless this is an upgrade.
set -e

case "$1" in
  remove) # dpkg: an installation after it finds the service switched on or off, as it was
    if [ -d /run/systemd/system ]; then
      systemctl stop taskhost.service || true
    fi
    ;;
  0) # rpm
    if [ -d /run/systemd/system ]; then
      systemctl disable --now taskhost.service || true
    fi
    ;;
esac
