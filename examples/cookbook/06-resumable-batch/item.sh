#!/bin/sh
set -eu
# In place of this line: the work on one item
sleep 0.3
echo "$1" >> done.txt
