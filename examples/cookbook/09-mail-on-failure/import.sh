#!/bin/sh
set -eu
# In place of this line: the work
[ ! -e broken ] || { echo "the file broken is there" >&2; exit 1; }
