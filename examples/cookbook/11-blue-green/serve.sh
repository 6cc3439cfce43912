#!/bin/sh
set -eu
# In place of all of this: exec "releases/$COLOUR/bin/shop", with ready { http = … } where it cannot say that it is ready
[ ! -e "broken.$COLOUR" ] || { echo "this release is broken" >&2; exit 1; }
trap 'echo "$COLOUR has ended"; exit 0' TERM
taskhost notify ready "$COLOUR serves"
while :; do
  sleep 1 &
  wait $!
done
