#!/bin/sh
set -eu
file=$(sed 's/.*"file": *"\([^"]*\)".*/\1/')
[ -f "$file" ] || { echo "there is no file '$file'" >&2; exit 66; }
curl --fail --silent --show-error --upload-file "$file" "$UPLOAD_TO/${file##*/}"
