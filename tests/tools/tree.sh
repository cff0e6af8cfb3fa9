#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Copies the files that git tracks to .build/NAME as an installed collection and prints that path: several tools refuse a symlink.
set -euo pipefail
cd "$(dirname "$0")/../.."

tree=.build/$1/ansible_collections/crossvirt/lifecycle
rm -rf "$tree"
mkdir -p "$tree"
{ git ls-files -z; git ls-files -z --deleted; } | sort -z | uniq -zu | tar -c --null -T - | tar -x -C "$tree"
echo "$PWD/$tree"
