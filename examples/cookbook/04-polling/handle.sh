#!/bin/sh
set -eu
# In place of this line: what is to be done with an order
cat >> handled.jsonl
