#!/bin/sh
set -eu
total=$(wc -l < items.txt)
next=$(taskhost notify load next -run -default 1)
while [ "$next" -le "$total" ]; do
  item=$(sed -n "${next}p" items.txt)
  ./item.sh "$item"
  taskhost notify save next "$((next + 1))" -run
  taskhost notify progress "$next" "$total" "$item"
  next=$((next + 1))
done
