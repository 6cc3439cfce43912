#!/bin/sh
set -eu
input=$(cat)
case $input in
  *'"to":'*'"blue"'*) to=blue from=green ;;
  *'"to":'*'"green"'*) to=green from=blue ;;
  *) echo 'the input must be {"to":"blue"} or {"to":"green"}' >&2; exit 65 ;;
esac
[ "$(cat upstream 2>/dev/null || echo blue)" != "$to" ] || { echo "$to serves already"; exit 0; }
taskhost notify status "starting $to"
taskhost task start "shop.$to"
taskhost task wait "shop.$to" -until ready -timeout "$READY_WITHIN" || { taskhost task stop "shop.$to" -wait 1m; exit 1; }
# In place of these lines: the proxy's upstream, and its reload
echo "$to" > upstream.new
mv upstream.new upstream
taskhost notify status "stopping $from"
taskhost task stop "shop.$from" -wait 1m
