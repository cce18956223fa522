#!/bin/sh
# Stands in for a Python: writes down what it is called with, behind `-c PROGRAM`, and exits as told.
shift 2
for word in "$@"; do echo "$word"; done > called
exit "$STAND_IN_EXIT"
