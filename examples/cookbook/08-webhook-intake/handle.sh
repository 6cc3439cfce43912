#!/bin/sh
set -eu
event=$(cat)
case $event in
  *'"type":'*) ;;
  *) echo "event $TASKHOST_MESSAGE_ID has no type" >&2; exit 65 ;;
esac
# In place of this line: what is to be done with an event
echo "$TASKHOST_MESSAGE_ID $event" >> handled.txt
