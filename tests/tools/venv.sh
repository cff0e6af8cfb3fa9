#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes .venv with the first Python that is new enough, and .collections, under which Ansible finds this checkout.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-$(tests/tools/python.sh 3 3.11 3.12 3.13)} ||
  { echo "No Python >= 3.11 with venv: install one, or name it with PYTHON=..."; exit 1; }

"$python" -m venv --clear .venv
.venv/bin/pip install --quiet --upgrade pip
# Without libvirt's headers, which its binding is built with, the rest will do for all other hypervisors.
wanted=(cat)
if ! pkg-config --exists libvirt 2>/dev/null; then
  echo "Without libvirt-python, which needs what tests/tools/packages.txt lists; rm -r .venv once that is there."
  wanted=(sed /^libvirt-python/d)
fi
sed /^-r/d tests/requirements.txt requirements.txt | "${wanted[@]}" >.venv/requirements.txt
.venv/bin/pip install --quiet -r .venv/requirements.txt

mkdir -p .collections/ansible_collections/crossvirt
ln -sfn ../../.. .collections/ansible_collections/crossvirt/lifecycle
touch .venv/stamp
