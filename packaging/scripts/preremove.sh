#!/bin/sh
# Before the files go: the service ends, unless this is an upgrade.
set -e

case "$1" in
  remove | 0) # dpkg, rpm
    if [ -d /run/systemd/system ]; then
      systemctl disable --now taskhost.service || true
    fi
    ;;
esac
