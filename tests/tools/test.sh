#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# All checks, the cheap ones first; the lab is ended whatever happens. FULL=1 for those of `make test-full`.
set -euo pipefail
cd "$(dirname "$0")/../.."

results=.build/results
rm -rf "$results"
mkdir -p "$results"

step() {
  local start=$SECONDS
  printf '\n=== %s\n' "$*"
  make --no-print-directory "$@"
  echo "=== $*: $((SECONDS - start)) s"
}

end() {
  local status=$?
  [ -z "${lab:-}" ] || make --no-print-directory lab-down || status=1
  [ $status = 0 ] || printf '\nFAILED, see above\n'
  .venv/bin/python tests/tools/summary.py "$results" || status=1
  exit $status
}
trap end EXIT

step lint
step unit
step sanity CORES="${FULL:+2.18 newest }2.19"
step importer
step conformance BACKEND=memory
step conformance BACKEND=libvirt-test
step conformance BACKEND=vsphere
step conformance BACKEND=vsphere-esx
step integration BACKEND=vsphere

# 3: this machine cannot have a lab, as it then says.
lab=0
.venv/bin/python -m tests.lab up --ssh libvirt || lab=$?
if [ "$lab" = 3 ]; then
  lab=
  echo "NOT PROVED: without a lab only libvirt's own test driver was tried" | tee "$results/not-proved"
  exit 0
fi
[ "$lab" = 0 ]
step conformance BACKEND=libvirt
step matrix CHECK=--check
step integration
[ -z "${FULL:-}" ] || step bench
