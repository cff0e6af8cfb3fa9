#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints the path of a Python >= 3.11 that works: the first found of the releases asked for ("3" is the machine's own).
set -euo pipefail

for release in "$@"; do
  # pyenv leaves a python3.x on the path that fails unless that release is its current one.
  for candidate in "python$release" "$HOME/.pyenv/versions/$release".*/bin/python; do
    "$candidate" -c 'import ensurepip, sys, venv
if sys.version_info < (3, 11): sys.exit(1)
print(sys.executable)' 2>/dev/null && exit
  done
done
exit 1
