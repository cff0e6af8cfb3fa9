#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the collection from the tracked files into .build/dist and imports it as Galaxy would; a warning fails too.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PWD/.venv/bin:$PATH

tree=$(tests/tools/tree.sh dist)
rm -f .build/dist/*.tar.gz
ansible-galaxy collection build --output-path .build/dist "$tree"
[ "${1:-}" != --build-only ] || exit 0

cd .build/dist
python -m galaxy_importer.main ./*.tar.gz 2>&1 | tee importer.log
! grep -E '^(ERROR|WARNING)' importer.log
