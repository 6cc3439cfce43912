#!/bin/sh
# Lays out in a directory what the image holds: the program, its plugins, certificates, and an account. Run it in the root of the tree.
set -eu

out=${1:?say where to}
rm -rf "$out"
mkdir -p "$out/root/usr/bin" "$out/root/usr/lib/taskhost" "$out/root/etc/ssl/certs" "$out/root/etc/taskhost" "$out/root/var/lib"
mkdir -m 1777 "$out/root/tmp"
mkdir "$out/data" && mkdir -m 0700 "$out/data/taskhost" # becomes the account's own when it is copied
make build
cp bin/taskhost "$out/root/usr/bin/"
cp -r bin/plugins "$out/root/usr/lib/taskhost/plugins"
cp packaging/docker/taskhost.hcl "$out/root/etc/taskhost/"
cp /etc/ssl/certs/ca-certificates.crt "$out/root/etc/ssl/certs/"
echo 'nonroot:x:65532:65532::/var/lib/taskhost:/sbin/nologin' >"$out/root/etc/passwd"
echo 'nonroot:x:65532:' >"$out/root/etc/group"
