#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes .venv with the first Python that is new enough, and .collections, under which Ansible finds this checkout.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-$(tests/tools/python.sh 3 3.11 3.12 3.13)} ||
  { echo "No Python >= 3.11 with venv: install one, or name it with PYTHON=..."; exit 1; }

"$python" -m venv --clear .venv
.venv/bin/pip install --quiet --upgrade pip
.venv/bin/pip install --quiet -r tests/requirements.txt ||
  { echo "A package could not be installed. libvirt-python needs what tests/tools/packages.txt lists."; exit 1; }

mkdir -p .collections/ansible_collections/crossvirt
ln -sfn ../../.. .collections/ansible_collections/crossvirt/lifecycle
touch .venv/stamp
