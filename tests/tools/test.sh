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

on_simulators() {
  step conformance BACKEND=vsphere
  step conformance BACKEND=vsphere-esx
  step integration BACKEND=vsphere
  step integration BACKEND=awx
}

end() {
  local status=$?
  if [ -n "${beside:-}" ] && kill -- "-$beside" 2>/dev/null; then
    cat "$results/simulators.log"
  fi
  [ -z "${lab:-}" ] || make --no-print-directory lab-down || status=1
  make --no-print-directory lab-down BACKEND=vsphere || status=1
  [ -z "${xen:-}" ] || make --no-print-directory lab-down BACKEND=xen || status=1
  [ $status = 0 ] || printf '\nFAILED, see above\n'
  .venv/bin/python tests/tools/summary.py "$results" || status=1
  exit $status
}
trap end EXIT

# Simulators run beside the other checks, in two lines of equal length; real guests need the machine for themselves.
set -m # a process group of its own, so that all of it can be ended
on_simulators >"$results/simulators.log" 2>&1 &
beside=$!
set +m

step lint
step unit
step docs
step sanity CORES="${FULL:+2.18 newest }2.19"
step importer
step conformance BACKEND=memory
step conformance BACKEND=libvirt-test
step molecule BACKEND=vsphere

status=0
wait "$beside" || status=$?
beside=
cat "$results/simulators.log"
[ $status = 0 ]

# 3: this machine cannot have a lab, as it then says.
lab=0
.venv/bin/python -m tests.lab up --ssh libvirt || lab=$?
if [ "$lab" = 3 ]; then
  lab=
  echo "NOT PROVED: without a lab only libvirt's own test driver was tried" | tee "$results/not-proved"
else
  [ "$lab" = 0 ]
  step conformance BACKEND=libvirt
  step integration BACKEND=libvirt
  step molecule BACKEND=libvirt
  [ -z "${FULL:-}" ] || step bench
fi

# After the other lab: four machines at once are too many for most.
if [ -n "${FULL:-}" ]; then
  [ -z "$lab" ] || make --no-print-directory lab-down
  lab=""
  xen=0
  tests/tools/packages.sh tests/lab/xen/packages.txt
  .venv/bin/python -m tests.lab up xen >/dev/null || xen=$?
  if [ "$xen" = 3 ]; then
    xen=
    echo "NOT PROVED: without a lab nothing was tried on Xen" | tee -a "$results/not-proved"
  else
    [ "$xen" = 0 ]
    step conformance BACKEND=xen
    step integration BACKEND=xen
  fi
fi
[ -e "$results/not-proved" ] || step matrix CHECK=--check
