#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Prints the folder in which Ansible finds the collection as users have it: built, and installed into .build/installed.
# It is made again when a tracked file has changed. CHECKOUT=1 prints the folder that shows the checkout instead.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PWD/.venv/bin:$PATH

if [ "${CHECKOUT:-}" = 1 ]; then
  echo "$PWD/.collections"
  exit
fi

# Several suites begin at the same time.
mkdir -p .build
exec 9>.build/installed.lock
flock 9

target=$PWD/.build/installed
# Tests are no part of it, but for one file: editing them makes nothing again.
state=$({ git ls-files -z; git ls-files -z --deleted; } | sort -z | uniq -zu | grep -zvP '^tests/(?!config\.yml$)' |
  xargs -0 sha256sum | sha256sum)
if [ "$state" != "$(cat "$target/state" 2>/dev/null)" ]; then
  rm -rf "$target"
  archive=$(tests/tools/build.sh installing)
  ANSIBLE_COLLECTIONS_PATH=$target ansible-galaxy collection install --offline --no-cache --force -p "$target" "$archive" >&2
  echo "$state" >"$target/state"
fi
echo "$target"
