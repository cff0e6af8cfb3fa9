#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Builds the collection from the tracked files into .build/NAME and prints the path of the archive.
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PWD/.venv/bin:$PATH

tree=$(tests/tools/tree.sh "$1")
rm -f ".build/$1"/*.tar.gz
ansible-galaxy collection build --output-path ".build/$1" "$tree" >&2
echo "$PWD/.build/$1"/*.tar.gz
